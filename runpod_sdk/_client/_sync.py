"""The client for threads. Generated from `_async.py`: edit that.

What a client needs is imported with the first one, not with the package.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar, overload

from runpod_sdk._flows._loading import loading
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._policies import NO_RETRY, PollPolicy, RetryPolicy, checked_timeout

from ._sync_shell import Shell, new_lock

if TYPE_CHECKING:
    import httpx
    from typing_extensions import TypeForm

    from runpod_sdk._flows._limiter import Limits
    from runpod_sdk._telemetry import OperationStats, UnknownSubmission
    from runpod_sdk.clock import Clock

    from ._sync_endpoint import Endpoint

T = TypeVar("T")


class Client(Shell):
    """Calls endpoints. Safe to share between threads; `with` closes its connections, and is optional.

    After a fork (gunicorn, Celery) each process opens connections of its own. Works where an event loop runs already,
    as in notebooks: there, a wait without `on_update` shows a line about its job for as long as it lasts, unless the
    environment variable RUNPOD_SDK_LIVE is "off". It cannot be pickled; a `Job` can.

    Args:
        api_key: the key; None takes it from RUNPOD_API_KEY.
        base_url: what stands before `/{endpoint_id}`; None takes it from RUNPOD_ENDPOINT_BASE_URL, or else
            https://api.runpod.ai/v2.
        timeout: most seconds for one ordinary request; a request that the service holds gets its hold on top.
        retry: how requests are repeated that may be; None is not at all.
        poll: how jobs are waited for.
        http_client: an `httpx.Client` of your own, for all requests; it is not closed.
        transport: an `httpx.BaseTransport` to use instead of the network, such as `emulator.transport`.
        clock: what time is taken from.
        allow_http: send the key over http to another machine.
        trust_connect_errors: whether a connect error of a transport of yours proves that nothing was sent, where it
            cannot say so itself: some report a request that was received as a connect error. The SDK's own connections
            and httpx's own transports say what they have sent, and need no trust.
        limits: "react" slows down after a 429, "documented" keeps to the documented rates at once, "off" neither.

    Raises:
        TypeError, ValueError: no key, an invalid base URL, or another bad argument.
        ConfigurationError: the environment names a proxy or certificates that cannot be used, or a level of the log
            that there is not.

    Examples:
        >>> from runpod_sdk import Client
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper())
        >>> with Client(**emulator.connection) as client:
        ...     client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
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
        http_client: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        allow_http: bool = False,
        trust_connect_errors: bool = False,
        limits: Limits = "react",
    ) -> None:
        if http_client is not None and transport is not None:
            raise ValueError("http_client and transport exclude each other: give the transport to your client")
        with loading("what a client needs"):
            from runpod_sdk._flows._exchange import Settings, observed
            from runpod_sdk._flows._holds import Holds
            from runpod_sdk._flows._limiter import Limiter
            from runpod_sdk._http._wire import Wire
            from runpod_sdk._telemetry import Meter, Unknowns, log_as_told
            from runpod_sdk._values._service import Service
            from runpod_sdk.clock import SystemClock

            from ._sync_streams import OpenStreams

        log_as_told()
        key = Hidden(api_key)
        del api_key  # no traceback of an invalid argument shows it
        service = Service.resolve(key, base_url, allow_http=allow_http)
        clock = clock or SystemClock()
        self.base_url = service.base_url
        settings = Settings(
            clock=clock,
            retry=retry or NO_RETRY,
            poll=poll,
            timeout=checked_timeout(timeout),
            random=random.random,
            limiter=Limiter(limits, new_lock()),
            holds=Holds(new_lock()),
            meter=Meter(new_lock()),
        )
        settings.meter.watch(partial(observed, settings.holds, settings.limiter))
        self._new_wire = partial(
            Wire, clock=clock, http_client=http_client, transport=transport, trust=trust_connect_errors
        )
        self._service = service
        self._wires = {service: self._new_wire(service)}  # all that are closed with this client
        self._streams = OpenStreams()
        super().__init__(settings, self._wires[service], Unknowns())

    @overload
    def endpoint(self, endpoint_id: str) -> Endpoint[Any]: ...

    @overload
    def endpoint(self, endpoint_id: str, *, output_type: TypeForm[T]) -> Endpoint[T]: ...

    @overload
    def endpoint(self, *, url: str) -> Endpoint[Any]: ...

    @overload
    def endpoint(self, *, url: str, output_type: TypeForm[T]) -> Endpoint[T]: ...

    def endpoint(
        self, endpoint_id: str | None = None, *, url: str | None = None, output_type: Any = Any
    ) -> Endpoint[Any]:
        """Return the endpoint of this id, or the one at a URL of its own. Makes no request.

        Args:
            endpoint_id: its id.
            url: what stands before `/run` and the others, where that is not `{base_url}/{endpoint_id}`: the address of
                a pod, or of a worker that was started with `--rp_serve_api`. The client's key is sent there.
            output_type: what its jobs' outputs are made into, and checked to be: a pydantic model; or, with the extra
                `typed`, an attrs class, a dataclass, a TypedDict, or what is built of these and JSON's own types, such
                as `list[float]` or `Page | None`. An output that is not of it raises OutputTypeError. The default,
                Any, hands outputs out as they come.

        Raises:
            TypeError, ValueError: an id or a URL that can be none, or a type that no JSON can be read as.
            ConfigurationError: a proxy or certificates on the way to the URL that cannot be used.
            ImportError: the extra `typed` is not installed.
        """
        with loading("an endpoint"):
            from ._sync_endpoint import Endpoint

            read = None
            if output_type is not Any:
                from runpod_sdk._client._typed._reader import reader_of

                read = reader_of(output_type)
        if url is None:
            if isinstance(endpoint_id, str) and "://" in endpoint_id:
                raise ValueError("endpoint_id is a URL: pass it as url=…")
            return Endpoint(self, endpoint_id, read)
        if endpoint_id is not None:
            raise TypeError("endpoint_id and url exclude each other")
        client = self._at(url)
        return Endpoint(client, None, read, url=client.base_url)

    def _at(self, url: str) -> Client:
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
    ) -> Client:
        """Return a client with other policies over the same connections; closing either closes both."""
        other = self._copy()
        other._settings = self._settings.replaced(timeout=timeout, retry=retry, poll=poll)
        return other

    def _copy(self) -> Client:
        other: Client = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    @property
    def stats(self) -> dict[str, OperationStats]:
        """What this client has done so far, by operation."""
        return self._settings.meter.stats()

    @property
    def unknowns(self) -> tuple[UnknownSubmission, ...]:
        """The submits of this client whose outcome is unknown, the newest last (10,000 at most)."""
        return self._unknowns.all()

    def close(self) -> None:
        """Close the connections. Calls after this raise RuntimeError.

        Before, a job whose stream is open is cancelled, where that would have been done when leaving the stream.
        """
        try:
            self._streams.close()
        finally:
            for wire in list(self._wires.values()):
                wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def __deepcopy__(self, memo: object) -> Self:
        return self  # what holds a client may be copied, such as a result into a table

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds connections and a key: make one in each process")
