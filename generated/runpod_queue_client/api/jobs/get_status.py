from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_message import ErrorMessage
from ...models.job import Job
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    endpoint_id: str,
    job_id: str,
    *,
    ttl: int | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["ttl"] = ttl

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/{endpoint_id}/status/{job_id}".format(
            endpoint_id=quote(str(endpoint_id), safe=""),
            job_id=quote(str(job_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorMessage | Problem | Job | str | None:
    if response.status_code == 200:
        response_200 = Job.from_dict(response.json())

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
) -> Response[ErrorMessage | Problem | Job | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
    ttl: int | Unset = UNSET,
) -> Response[ErrorMessage | Problem | Job | str]:
    """Read the state of a job

     Answers at once with what is known of the job. A field is present only when it is set, so a queued
    job has just `id` and `status`.

    Safe to repeat. 404 once the service has forgotten the job: 30 minutes after the end of a job of
    `/run`, 1 minute after one of `/runsync`,
    and when its time to live is over, in any state. A 404 right after `/run` has been seen too:
    tolerate it for a while for a job just made.

    Args:
        endpoint_id (str): The id of an endpoint
        job_id (str): The id of a job: a UUID, mostly followed by `-u1`, `-u2`, `-e1` or `-e2`,
            and preceded by `sync-` when `/runsync` made it.
            Treat it as opaque.
        ttl (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorMessage | Problem | Job | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        job_id=job_id,
        ttl=ttl,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
    ttl: int | Unset = UNSET,
) -> ErrorMessage | Problem | Job | str | None:
    """Read the state of a job

     Answers at once with what is known of the job. A field is present only when it is set, so a queued
    job has just `id` and `status`.

    Safe to repeat. 404 once the service has forgotten the job: 30 minutes after the end of a job of
    `/run`, 1 minute after one of `/runsync`,
    and when its time to live is over, in any state. A 404 right after `/run` has been seen too:
    tolerate it for a while for a job just made.

    Args:
        endpoint_id (str): The id of an endpoint
        job_id (str): The id of a job: a UUID, mostly followed by `-u1`, `-u2`, `-e1` or `-e2`,
            and preceded by `sync-` when `/runsync` made it.
            Treat it as opaque.
        ttl (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorMessage | Problem | Job | str
    """

    return sync_detailed(
        endpoint_id=endpoint_id,
        job_id=job_id,
        client=client,
        ttl=ttl,
    ).parsed


async def asyncio_detailed(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
    ttl: int | Unset = UNSET,
) -> Response[ErrorMessage | Problem | Job | str]:
    """Read the state of a job

     Answers at once with what is known of the job. A field is present only when it is set, so a queued
    job has just `id` and `status`.

    Safe to repeat. 404 once the service has forgotten the job: 30 minutes after the end of a job of
    `/run`, 1 minute after one of `/runsync`,
    and when its time to live is over, in any state. A 404 right after `/run` has been seen too:
    tolerate it for a while for a job just made.

    Args:
        endpoint_id (str): The id of an endpoint
        job_id (str): The id of a job: a UUID, mostly followed by `-u1`, `-u2`, `-e1` or `-e2`,
            and preceded by `sync-` when `/runsync` made it.
            Treat it as opaque.
        ttl (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorMessage | Problem | Job | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        job_id=job_id,
        ttl=ttl,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
    ttl: int | Unset = UNSET,
) -> ErrorMessage | Problem | Job | str | None:
    """Read the state of a job

     Answers at once with what is known of the job. A field is present only when it is set, so a queued
    job has just `id` and `status`.

    Safe to repeat. 404 once the service has forgotten the job: 30 minutes after the end of a job of
    `/run`, 1 minute after one of `/runsync`,
    and when its time to live is over, in any state. A 404 right after `/run` has been seen too:
    tolerate it for a while for a job just made.

    Args:
        endpoint_id (str): The id of an endpoint
        job_id (str): The id of a job: a UUID, mostly followed by `-u1`, `-u2`, `-e1` or `-e2`,
            and preceded by `sync-` when `/runsync` made it.
            Treat it as opaque.
        ttl (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorMessage | Problem | Job | str
    """

    return (
        await asyncio_detailed(
            endpoint_id=endpoint_id,
            job_id=job_id,
            client=client,
            ttl=ttl,
        )
    ).parsed
