"""The client for asyncio. `_sync.py` is generated from this file.

What a client needs is imported with the first one, not with the package.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar, overload

from runpod_sdk._flows._loading import loading
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._policies import NO_RETRY, PollPolicy, RetryPolicy, checked_timeout

from ._async_shell import AsyncShell, new_lock

if TYPE_CHECKING:
    import httpx
    from typing_extensions import TypeForm

    from runpod_sdk._flows._limiter import Limits
    from runpod_sdk._telemetry import OperationStats, UnknownSubmission
    from runpod_sdk.clock import Clock

    from ._async_endpoint import AsyncEndpoint

T = TypeVar("T")


class AsyncClient(AsyncShell):
    """The async client. Belongs to the event loop in which it is first used.

    `async with` closes its connections; without it, call `aclose`. It has the same methods as `Client`. It may be
    created before a loop runs. Used in a second loop it raises RuntimeError: create one client per loop.

    Args:
        api_key: the key; None takes it from RUNPOD_API_KEY.
        base_url: the URL before `/{endpoint_id}`; None takes it from RUNPOD_ENDPOINT_BASE_URL, or uses
            https://api.runpod.ai/v2.
        timeout: the longest one request may take, seconds; requests that the service holds get their hold on top.
        retry: how safe requests are repeated; None: not at all.
        poll: how to wait for jobs.
        http_client: an `httpx.AsyncClient` of your own, for all requests; it is not closed.
        transport: an `httpx.AsyncBaseTransport` to use instead of the network, such as `emulator.transport`.
        clock: the source of time.
        allow_http: send the key over http to another machine.
        trust_connect_errors: whether a connect error of your own transport proves that nothing was sent. Some report
            a connect error for a request that was received. The SDK's connections and httpx's transports record what
            they sent, so they do not need this.
        limits: "react" slows down after a 429, "documented" keeps to the documented rates from the start, "off" does
            neither.

    Raises:
        TypeError, ValueError: no key, an invalid base URL, or another bad argument.
        ConfigurationError: the environment names an unusable proxy or certificate, or an unknown log level.

    Examples:
        >>> from runpod_sdk import AsyncClient
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper())
        >>> async def main():
        ...     async with AsyncClient(**emulator.connection) as client:
        ...         return await client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
        >>> import asyncio
        >>> asyncio.run(main())
        'HELLO'
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 60.0,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008  frozen
        poll: PollPolicy = PollPolicy(),  # noqa: B008  frozen
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        allow_http: bool = False,
        trust_connect_errors: bool = False,
        limits: Limits = "react",
    ) -> None:
        if http_client is not None and transport is not None:
            raise ValueError("http_client and transport cannot be combined: give the transport to your client")
        with loading("what a client needs"):
            from runpod_sdk._flows._exchange import Settings, observed
            from runpod_sdk._flows._holds import Holds
            from runpod_sdk._flows._limiter import Limiter
            from runpod_sdk._http._wire import AsyncWire
            from runpod_sdk._telemetry import Meter, Unknowns, log_as_told
            from runpod_sdk._values._service import Service
            from runpod_sdk.clock import SystemClock

            from ._async_streams import AsyncOpenStreams

        log_as_told()
        key = Hidden(api_key)
        del api_key  # no traceback of an invalid argument shows it
        service = Service.resolve(key, base_url, allow_http=allow_http)
        clock = SystemClock() if clock is None else clock
        self.base_url = service.base_url
        settings = Settings(
            clock=clock,
            retry=NO_RETRY if retry is None else retry,
            poll=poll,
            timeout=checked_timeout(timeout),
            random=random.random,
            limiter=Limiter(limits, new_lock()),
            holds=Holds(new_lock()),
            meter=Meter(new_lock()),
        )
        settings.meter.watch(partial(observed, settings.holds, settings.limiter))
        self._new_wire = partial(
            AsyncWire, clock=clock, http_client=http_client, transport=transport, trust=trust_connect_errors
        )
        self._service = service
        self._wires = {service: self._new_wire(service)}  # all that are closed with this client
        self._streams = AsyncOpenStreams()
        super().__init__(settings, self._wires[service], Unknowns())

    @overload
    def endpoint(self, endpoint_id: str) -> AsyncEndpoint[Any]: ...

    @overload
    def endpoint(self, endpoint_id: str, *, output_type: TypeForm[T]) -> AsyncEndpoint[T]: ...

    @overload
    def endpoint(self, *, url: str) -> AsyncEndpoint[Any]: ...

    @overload
    def endpoint(self, *, url: str, output_type: TypeForm[T]) -> AsyncEndpoint[T]: ...

    def endpoint(
        self, endpoint_id: str | None = None, *, url: str | None = None, output_type: Any = Any
    ) -> AsyncEndpoint[Any]:
        """Return the endpoint with this id, or at this URL. Makes no request.

        Args:
            endpoint_id: its id.
            url: the URL before `/run`, if it is not `{base_url}/{endpoint_id}`: the address of a pod, or of a worker
                started with `--rp_serve_api`. The client's key is sent there.
            output_type: the type that outputs are converted to and checked against: a pydantic model; or, with the
                extra `typed`, an attrs class, a dataclass, a TypedDict, or a combination of these and JSON's types,
                such as `list[float]` or `Page | None`. An output that does not match raises OutputTypeError. The
                default, Any, returns outputs unchanged.

        Raises:
            TypeError, ValueError: an invalid id or URL, or a type that JSON cannot be converted to.
            ConfigurationError: an unusable proxy or certificate on the way to the URL.
            ImportError: the extra `typed` is not installed.
        """
        with loading("an endpoint"):
            from ._async_endpoint import AsyncEndpoint

            read = None
            if output_type is not Any:
                from runpod_sdk._client._typed._reader import reader_of

                read = reader_of(output_type)
        if url is None:
            if isinstance(endpoint_id, str) and "://" in endpoint_id:
                raise ValueError("endpoint_id is a URL: pass it as url=…")
            return AsyncEndpoint(self, endpoint_id, read)
        if endpoint_id is not None:
            raise TypeError("endpoint_id and url cannot be combined")
        client = self._at(url)
        return AsyncEndpoint(client, None, read, url=client.base_url)

    def _at(self, url: str) -> AsyncClient:
        """Return a client of one endpoint at a URL of its own: with the same policies and counts, and the same end."""
        service = self._service.at(url)
        self._wires[self._service].check_open()
        other = self._copy()
        other.base_url = service.base_url
        other._wire = self._wires.get(service) or self._wires.setdefault(service, self._new_wire(service))
        return other

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | Literal["same"] | None = "same",
        poll: PollPolicy | None = None,
    ) -> AsyncClient:
        """Return a client with other policies that shares the connections; closing either closes both."""
        other = self._copy()
        other._settings = self._settings.replaced(timeout=timeout, retry=retry, poll=poll)
        return other

    def _copy(self) -> AsyncClient:
        other: AsyncClient = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    @property
    def stats(self) -> dict[str, OperationStats]:
        """Counts of what this client has done so far, by operation."""
        return self._settings.meter.stats()

    @property
    def unknowns(self) -> tuple[UnknownSubmission, ...]:
        """The submits of this client whose outcome is unknown, the newest last (10,000 at most)."""
        return self._unknowns.all()

    async def aclose(self) -> None:
        """Close the connections. Calls after this raise RuntimeError.

        Jobs whose streams are still open are cancelled first, as leaving the stream would have done.
        """
        try:
            await self._streams.close()
        finally:
            for wire in list(self._wires.values()):
                await wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def __deepcopy__(self, memo: object) -> Self:
        return self  # what holds a client may be copied, such as a result into a table

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds connections and a key: make one in each process")
