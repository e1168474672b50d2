from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.batch_answer import BatchAnswer
from ...models.error_message import ErrorMessage
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    endpoint_id: str,
    batch_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/{endpoint_id}/batch/{batch_id}/finalize".format(
            endpoint_id=quote(str(endpoint_id), safe=""),
            batch_id=quote(str(batch_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchAnswer | ErrorMessage | Problem | str | None:
    if response.status_code == 200:
        response_200 = BatchAnswer.from_dict(response.json())

        return response_200

    if response.status_code == 400:

        def _parse_response_400(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_400 = _parse_response_400(response.json())

        return response_400

    if response.status_code == 401:

        def _parse_response_401(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_401 = _parse_response_401(response.json())

        return response_401

    if response.status_code == 402:

        def _parse_response_402(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_402 = _parse_response_402(response.json())

        return response_402

    if response.status_code == 403:

        def _parse_response_403(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_403 = _parse_response_403(response.json())

        return response_403

    if response.status_code == 404:

        def _parse_response_404(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_404 = _parse_response_404(response.json())

        return response_404

    if response.status_code == 429:

        def _parse_response_429(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_429 = _parse_response_429(response.json())

        return response_429

    if response.status_code == 500:

        def _parse_response_500(data: object) -> ErrorMessage | Problem:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_error_type_0 = ErrorMessage.from_dict(data)

                return componentsschemas_error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_error_type_1 = Problem.from_dict(data)

            return componentsschemas_error_type_1

        response_500 = _parse_response_500(response.json())

        return response_500

    if response.status_code == 502:
        response_502 = response.text
        return response_502

    if response.status_code == 503:
        response_503 = response.text
        return response_503

    if response.status_code == 504:
        response_504 = response.text
        return response_504

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[BatchAnswer | ErrorMessage | Problem | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[BatchAnswer | ErrorMessage | Problem | str]:
    """Lock a batch and let it run

     Locks a `DRAFT`: nothing can be added or removed any more, and its requests are queued, in an order
    that is not specified.

    If the answer is lost, the status of the batch tells whether it is `FINALIZED`. When its requests
    start is not guaranteed.

    Args:
        endpoint_id (str): The id of an endpoint
        batch_id (str): The id of a batch. Treat it as opaque.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchAnswer | ErrorMessage | Problem | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        batch_id=batch_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> BatchAnswer | ErrorMessage | Problem | str | None:
    """Lock a batch and let it run

     Locks a `DRAFT`: nothing can be added or removed any more, and its requests are queued, in an order
    that is not specified.

    If the answer is lost, the status of the batch tells whether it is `FINALIZED`. When its requests
    start is not guaranteed.

    Args:
        endpoint_id (str): The id of an endpoint
        batch_id (str): The id of a batch. Treat it as opaque.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchAnswer | ErrorMessage | Problem | str
    """

    return sync_detailed(
        endpoint_id=endpoint_id,
        batch_id=batch_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[BatchAnswer | ErrorMessage | Problem | str]:
    """Lock a batch and let it run

     Locks a `DRAFT`: nothing can be added or removed any more, and its requests are queued, in an order
    that is not specified.

    If the answer is lost, the status of the batch tells whether it is `FINALIZED`. When its requests
    start is not guaranteed.

    Args:
        endpoint_id (str): The id of an endpoint
        batch_id (str): The id of a batch. Treat it as opaque.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchAnswer | ErrorMessage | Problem | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        batch_id=batch_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> BatchAnswer | ErrorMessage | Problem | str | None:
    """Lock a batch and let it run

     Locks a `DRAFT`: nothing can be added or removed any more, and its requests are queued, in an order
    that is not specified.

    If the answer is lost, the status of the batch tells whether it is `FINALIZED`. When its requests
    start is not guaranteed.

    Args:
        endpoint_id (str): The id of an endpoint
        batch_id (str): The id of a batch. Treat it as opaque.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchAnswer | ErrorMessage | Problem | str
    """

    return (
        await asyncio_detailed(
            endpoint_id=endpoint_id,
            batch_id=batch_id,
            client=client,
        )
    ).parsed
