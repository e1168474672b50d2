"""The batches of an endpoint, for asyncio. `_sync_batches.py` is generated from this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from runpod_sdk._flows import _batch_api, _batch_results, _batches
from runpod_sdk._flows._batches import BatchRef
from runpod_sdk._flows._effects import Done
from runpod_sdk._flows._exchange import ask
from runpod_sdk._telemetry import note_batch, span
from runpod_sdk._values._arguments import checked_id, kind_of
from runpod_sdk._values._batches import BATCH_REQUESTS_MAX, PAGE
from runpod_sdk._values._hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from runpod_sdk._flows._batch_results import Found
    from runpod_sdk._flows._effects import Flow
    from runpod_sdk._values._batches import BatchPage, BatchResult, BatchState
    from runpod_sdk._values._inputs import InputObject
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import Request

    from ._async import AsyncClient

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class AsyncBatches:
    """The batches of one endpoint (in beta at the service): many requests, processed when there is capacity.

    A batch is submitted exactly once: it is created as a draft, which runs nothing, filled, and finalized. If an answer
    is lost, the draft's counts show what arrived. This has not been compared with the real service yet.
    """

    _client: AsyncClient
    endpoint_id: str

    async def submit(self, inputs: Iterable[InputObject | None], *, timeout: float | None = None) -> AsyncBatch:
        """Create a batch of these inputs and start it: `create`, `add` and `finalize`.

        Args:
            inputs: 5,000 at most, each as for `run`. Results do not say which input they belong to: let your worker
                put that into its output.
            timeout: the longest this call may take, seconds.

        Raises:
            TypeError, ValueError: a bad input, or too many; nothing was sent.
            BatchError: the draft has an unexpected size; it was not finalized.
            APIError: the service refused, or could not be reached; a draft may remain, which runs nothing. A note on
                the error has its id, also if the call was interrupted.
        """
        given = Hidden(_checked(inputs))
        del inputs  # from here on no frame shows them
        _batch_api.add(self.endpoint_id, "draft", given.reveal())  # raises before anything is sent
        deadline = self._client._settings.deadline(timeout)
        batch = await self._create(deadline)
        try:
            await batch._add(_batch_api.add(self.endpoint_id, batch.id, given.reveal()), deadline)
            await batch._finalize(deadline)
        except BaseException as error:
            note_batch(error, self.endpoint_id, batch.id, "A batch was made. It runs only if it is FINALIZED", "state")
            raise
        return batch

    async def create(self) -> AsyncBatch:
        """Create an empty draft. If the answer is lost, an empty draft remains, which runs nothing.

        Raises:
            APIError: the service refused (there may be ten at once), or could not be reached.
        """
        return await self._create(self._client._settings.deadline(None))

    async def _create(self, deadline: Deadline) -> AsyncBatch:
        client = self._client
        request = _batch_api.create(self.endpoint_id)
        with span(request.operation, self.endpoint_id, at=client.base_url):
            state = await client._drive(ask(client._settings, request, deadline, _batch_api.state_of))
        return AsyncBatch(client, self.endpoint_id, checked_id("batch_id", state.id), 0)

    async def list(self) -> Sequence[BatchState]:
        """Return all batches of the endpoint, the newest first.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        client = self._client
        request = _batch_api.listed(self.endpoint_id)
        with span(request.operation, self.endpoint_id, at=client.base_url):
            flow = ask(client._settings, request, client._settings.deadline(None), _batch_api.states_of)
            return await client._drive(flow)

    def batch(self, batch_id: str) -> AsyncBatch:
        """Return a handle on an existing batch, by its id. Makes no request."""
        return AsyncBatch(self._client, self.endpoint_id, checked_id("batch_id", batch_id), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r})"


class AsyncBatch:
    """A handle on one batch. Makes no request by itself.

    Attributes:
        endpoint_id: its endpoint.
        id: its id.
    """

    __slots__ = ("_client", "_size", "endpoint_id", "id")

    def __init__(self, client: AsyncClient, endpoint_id: str, batch_id: str, size: int | None) -> None:
        self._client = client
        self.endpoint_id = endpoint_id
        self.id = batch_id
        self._size = size  # how many requests are known to be in it; None: nobody has looked

    async def add(self, inputs: Iterable[InputObject | None], *, timeout: float | None = None) -> None:
        """Add requests to a draft, each once, in as many calls as their size needs.

        Raises:
            TypeError, ValueError: a bad input, or too many; nothing was sent.
            BatchError: the draft has an unexpected size: another process adds to it, or a request that was given up
                arrived late.
            APIError: the service refused, or could not be reached; then `state().total` shows what arrived.
        """
        deadline = self._client._settings.deadline(timeout)
        calls = _batch_api.add(self.endpoint_id, self.id, _checked(inputs))
        del inputs  # from here on no frame shows them
        await self._add(calls, deadline)

    async def _add(self, calls: Sequence[tuple[Request, int]], deadline: Deadline) -> None:
        known, self._size = self._ref, None  # unless all goes well
        self._size = await self._drive("batch-add", _batches.add(self._client._settings, known, calls, deadline))

    async def remove(self, request_id: str) -> None:
        """Remove one request from a draft.

        Raises:
            TypeError, ValueError: an invalid id.
            NotFoundError: there is no such request.
            APIError: the service refused, or could not be reached; then it may have been removed.
        """
        request = _batch_api.remove(self.endpoint_id, self.id, checked_id("request_id", request_id))
        self._size = None
        settings = self._client._settings
        await self._drive("batch-remove", ask(settings, request, settings.deadline(None), _batch_api.nothing_of))

    async def update(self, attributes: Mapping[str, Any]) -> None:
        """Change attributes of the batch, such as the name that the console shows: `{"name": "nightly"}`.

        The documentation does not say which attributes there are; `name` is a guess.

        Raises:
            TypeError, ValueError: invalid attributes; nothing was sent.
            APIError: the service refused, or could not be reached; then they may have been changed.
        """
        if not isinstance(attributes, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"attributes is {kind_of(attributes)}: a mapping expected")
        request = _batch_api.update(self.endpoint_id, self.id, attributes)
        settings = self._client._settings
        await self._drive("batch-update", ask(settings, request, settings.deadline(None), _batch_api.nothing_of))

    async def finalize(self) -> BatchState:
        """Lock the draft and start it. If the answer is lost, the result is looked up, so calling this again is safe.

        Raises:
            BatchError: it is not a draft, or has another size than this handle expects; nothing was finalized.
            APIError: the service refused, or could not be reached: then it may have been finalized.
        """
        return await self._finalize(self._client._settings.deadline(None))

    async def _finalize(self, deadline: Deadline) -> BatchState:
        flow = _batches.finalize(self._client._settings, self._ref, deadline)
        return await self._drive("batch-finalize", flow)

    async def state(self) -> BatchState:
        """Return the current state of the batch, with its counts.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        settings = self._client._settings
        return await self._drive("batch-get", _batches.look(settings, self._ref, settings.deadline(None)))

    async def wait(self, timeout: float | None = None) -> BatchState:
        """Wait until the batch has ended (failed, cancelled, or all requests done), and return its state.

        Raises:
            BatchTimeoutError: the timeout passed first; the batch goes on.
            APIError: the service refused, or could not be reached.
        """
        settings = self._client._settings
        return await self._drive("batch-wait", _batch_results.wait(settings, self._ref, settings.deadline(timeout)))

    async def results(self, timeout: float | None = None) -> AsyncIterator[BatchResult]:
        """Iterate over the results, each once, as soon as they appear, until the batch has ended.

        A failed request is a result with an `error`. Cancelled requests are results only if the service lists them. The
        order is roughly that in which they ended.

        Raises:
            BatchError: the batch has ended, but some results that its counts promise are missing.
            BatchTimeoutError: the timeout passed first; the batch goes on.
            APIError: the service refused, or could not be reached.
        """
        settings = self._client._settings
        flow = _batch_results.results(settings, self._ref, settings.deadline(timeout))
        try:
            while not isinstance(step := await self._client._step(flow), Done):
                found: Found = step.item
                yield found.result
        finally:
            flow.close()

    async def page(self, offset: int = 0, limit: int = PAGE) -> BatchPage:
        """Return one page of its requests with their ids, also for a draft.

        Args:
            offset: how many requests to skip.
            limit: how many to return at most; the service's maximum is not documented.

        Raises:
            TypeError, ValueError: invalid numbers; nothing was sent.
            APIError: the service refused, or could not be reached.
        """
        for name, value, least in (("offset", offset, 0), ("limit", limit, 1)):
            if isinstance(value, bool) or not isinstance(value, int):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"{name} is {kind_of(value)}: a whole number expected")
            if value < least:
                raise ValueError(f"{name}={value}: at least {least} expected")
        request = _batch_api.page(self.endpoint_id, self.id, offset, limit)
        settings = self._client._settings
        return await self._drive("batch-requests", ask(settings, request, settings.deadline(None), _batch_api.page_of))

    async def cancel(self) -> BatchState:
        """Cancel its queued requests; those in progress finish, and then the batch is CANCELLED.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        settings = self._client._settings
        return await self._drive("batch-cancel", _batches.cancel(settings, self._ref, settings.deadline(None)))

    @property
    def _ref(self) -> BatchRef:
        return BatchRef(self.endpoint_id, self.id, self._size)

    async def _drive(self, name: str, flow: Flow[T]) -> T:
        with span(name, self.endpoint_id, at=self._client.base_url):
            return await self._client._drive(flow)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r}, {self.id!r})"


def _checked(inputs: Iterable[InputObject | None]) -> list[InputObject | None]:
    if isinstance(inputs, (str, bytes, dict)):
        kind = kind_of(inputs)  # pyright: ignore[reportUnknownArgumentType]
        raise TypeError(f"inputs is {kind}: a list of inputs expected")
    given = [*inputs]
    if len(given) > BATCH_REQUESTS_MAX:
        raise ValueError(f"inputs are {len(given)}: a batch has {BATCH_REQUESTS_MAX} requests at most")
    return given
