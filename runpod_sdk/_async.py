"""The client for tasks: a thin shell that drives the flows. Its twin for threads is `_sync.py`, in the same order."""

from __future__ import annotations

import random
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Self, TypeVar, Unpack, overload

from . import _api, _stream
from ._arguments import checked_id, unwrapped
from ._async_job import AsyncJob, AsyncStream, OnUpdate
from ._async_shell import AsyncShell
from ._exchange import Settings, ask
from ._limiter import Limiter, Limits
from ._policies import HOLD_MIN, NO_RETRY, PollPolicy, RetryPolicy, checked_timeout
from ._service import Service
from ._states import T_co
from ._telemetry import Meter, OperationStats, Unknowns, UnknownSubmission, span
from ._wait import OnAbandon, checked_abandon
from ._wire import AsyncWire
from .clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx
    from typing_extensions import TypeForm

    from ._map import AsyncMap, AsyncOnResult
    from ._map_job import Inputs, OnSubmit
    from ._outcomes import Answer
    from ._policies import Deadline
    from ._requests import Request, SubmitOptions
    from ._states import Health, JobState, PurgeResult
    from ._stream import OnGap

T = TypeVar("T")


class AsyncClient(AsyncShell):
    """Calls endpoints, for the tasks of one event loop: the first that it is used in.

    `async with` closes its connections, and is optional. The names are those of `Client`. It may be made before there
    is a loop; in a second loop it raises RuntimeError, as connections cannot be shared: make one per loop.

    Args:
        api_key: the key; None takes it from RUNPOD_API_KEY.
        base_url: what stands before `/{endpoint_id}`; None takes it from RUNPOD_ENDPOINT_BASE_URL, or else
            https://api.runpod.ai/v2.
        timeout: most seconds for one ordinary request; a request that the service holds gets its hold on top.
        retry: how requests are repeated that may be; None is not at all.
        poll: how jobs are waited for.
        http_client: an `httpx.AsyncClient` of your own, for all requests; it is not closed.
        transport: an `httpx.AsyncBaseTransport` to use instead of the network, such as `emulator.transport`.
        clock: what time is taken from.
        allow_http: send the key over http to another machine.
        trust_connect_errors: whether a connect error proves that nothing was sent. None: only for the SDK's own
            connections, since some transports report a request that was received as a connect error.
        limits: "react" slows down after a 429, "documented" keeps to the documented rates at once, "off" neither.

    Raises:
        ValueError: no key, or a base URL that cannot be meant.

    Example:
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
        trust_connect_errors: bool | None = None,
        limits: Limits = "react",
    ) -> None:
        if http_client is not None and transport is not None:
            raise ValueError("http_client and transport exclude each other: give the transport to your client")
        service = Service.resolve(api_key, base_url, allow_http=allow_http)
        clock = clock or SystemClock()
        is_ours = http_client is None and transport is None
        self.base_url = service.base_url
        settings = Settings(
            clock=clock,
            retry=retry or NO_RETRY,
            poll=poll,
            timeout=checked_timeout(timeout),
            random=random.random,
            trust_connect_errors=is_ours if trust_connect_errors is None else trust_connect_errors,
            limiter=Limiter(limits, nullcontext()),
            meter=Meter(nullcontext()),
        )
        super().__init__(settings, AsyncWire(service, clock, http_client, transport), Unknowns())

    @overload
    def endpoint(self, endpoint_id: str) -> AsyncEndpoint[Any]: ...

    @overload
    def endpoint(self, endpoint_id: str, *, output_type: TypeForm[T]) -> AsyncEndpoint[T]: ...

    def endpoint(self, endpoint_id: str, *, output_type: Any = Any) -> AsyncEndpoint[Any]:
        """Return the endpoint of this id. Makes no request.

        Args:
            endpoint_id: its id.
            output_type: what its jobs' outputs are made into, and checked to be: a pydantic model; or, with the extra
                `typed`, an attrs class, a dataclass, a TypedDict, or what is built of these and JSON's own types, such
                as `list[float]` or `Page | None`. An output that is not of it raises OutputTypeError. The default,
                Any, hands outputs out as they come.

        Raises:
            TypeError, ValueError: an id that is none, or a type that no JSON can be read as.
            ImportError: the extra `typed` is not installed.
        """
        if output_type is Any:
            return AsyncEndpoint(self, endpoint_id)
        from ._typed import reader_of  # noqa: PLC0415  not needed by those who need no types

        return AsyncEndpoint(self, endpoint_id, reader_of(output_type))

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | Literal["same"] | None = "same",
        poll: PollPolicy | None = None,
    ) -> AsyncClient:
        """Return a client with other policies over the same connections; closing either closes both."""
        other: AsyncClient = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._settings = self._settings.replaced(timeout=timeout, retry=retry, poll=poll)
        return other

    @property
    def stats(self) -> dict[str, OperationStats]:
        """What this client has done so far, by operation."""
        return self._settings.meter.stats()

    @property
    def unknowns(self) -> tuple[UnknownSubmission, ...]:
        """The submits of this client whose outcome is unknown, the newest last (10,000 at most)."""
        return self._unknowns.all()

    async def aclose(self) -> None:
        """Close the connections. Calls after this raise RuntimeError."""
        await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds connections and a key: make one in each process")


class AsyncEndpoint(Generic[T_co]):
    """One endpoint. Makes no request by itself.

    Attributes:
        id: the endpoint's id.
        url: its address.

    Raises:
        TypeError, ValueError: an id that is none.

    Example:
        >>> from runpod_sdk import AsyncClient
        >>> AsyncClient("key").endpoint("abc").url
        'https://api.runpod.ai/v2/abc'
    """

    __slots__ = ("_client", "_read", "id", "url")

    def __init__(self, client: AsyncClient, endpoint_id: str, read: Callable[[JobState], T_co] | None = None) -> None:
        self._client = client
        self._read = read
        self.id = checked_id("endpoint_id", endpoint_id)
        self.url = f"{client.base_url}/{self.id}"

    async def run(
        self,
        input: Mapping[str, Any],  # noqa: A002  the service's word
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncJob[T_co]:
        """Submit a job and return its handle as soon as the service has queued it.

        Args:
            input: what the worker gets as `job["input"]`: a JSON object, sent untouched, 10 MiB at most.
            timeout: most seconds for this call, its retries included.
            options: see `SubmitOptions`.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            APIError: the job was not queued.

        An interruption while the answer is on its way waits for it, 5 seconds at most: the job is then cancelled, as
        nobody has its id, or noted in `client.unknowns`.
        """
        deadline = self._client._settings.deadline(timeout)
        request = _api.run(self.id, unwrapped(input), options)
        with span("run", self.id):
            return (await self._submitted(request, deadline, options, "cancel"))[0]

    async def run_sync(
        self,
        input: Mapping[str, Any],  # noqa: A002  the service's word
        timeout: float | None = None,
        *,
        on_abandon: OnAbandon = "cancel",
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T_co:
        """Submit a job, wait for it, and return its output: one request for a job that ends within a second.

        Args:
            input: what the worker gets as `job["input"]`: a JSON object, sent untouched, 20 MiB at most (10 MiB
                when `timeout` is below a second).
            timeout: most seconds for the whole call; None waits until the job ends or the service forgets it.
            on_abandon: what becomes of the job when this call ends before it: "cancel" or "detach".
            on_update: called with each new state on the way, about once a second at most. Of a job that stays in the
                queue, `state.queue_reason` says why (a rare request of its own, that cannot fail the wait).
            options: see `SubmitOptions`.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            JobFailedError, JobTimedOutError, JobCancelledError, JobExpiredError: how the job ended instead.
            OutputTypeError: it completed, with an output that is not of the endpoint's `output_type`.
            WaitTimeoutError: the timeout passed first; a note says what became of the job.
            APIError: the job was not queued, or the service could not be reached.
        """
        deadline = self._client._settings.deadline(timeout)
        checked_abandon(on_abandon)
        # Where less is left than the least hold of /runsync, that would overrun the deadline.
        build = _api.run if timeout is not None and timeout < HOLD_MIN else _api.run_sync
        request = build(self.id, unwrapped(input), options)
        with span("run_sync", self.id):
            job, state = await self._submitted(request, deadline, options, on_abandon)
            return job._output(await job._wait(deadline, on_abandon, on_update, seen=state))

    def stream(
        self,
        input: Mapping[str, Any],  # noqa: A002  the service's word
        timeout: float | None = None,
        *,
        on_abandon: OnAbandon = "cancel",
        on_gap: OnGap = "repair",
        **options: Unpack[SubmitOptions],
    ) -> AsyncStream[T_co]:
        """Return the stream of a new job, which is submitted on `with` or with the first chunk asked for.

        Arguments and errors are those of `run`, and of `AsyncJob.stream`.
        """
        request = _api.run(self.id, unwrapped(input), options)
        _stream.checked_gap(on_gap)

        async def submit() -> AsyncJob[T_co]:
            return (await self._submitted(request, self._client._settings.deadline(timeout), options, on_abandon))[0]

        return AsyncStream(self._client, submit, timeout, checked_abandon(on_abandon), on_gap)

    def map(
        self,
        inputs: Inputs,
        *,
        concurrency: int = 64,
        ordered: bool = False,
        retries: int = 0,
        on_abandon: OnAbandon = "cancel",
        on_submit: OnSubmit | None = None,
        on_result: AsyncOnResult[T_co] | None = None,
        progress: bool = False,
        **options: Unpack[SubmitOptions],
    ) -> AsyncMap[T_co]:
        """Return the results of many jobs, as they end: one job for each input, so many at once.

        Nothing is sent before the first result is asked for. Two requests a job. A failure is a result with an `error`,
        never an exception: bad inputs, refused submits, failed jobs. Memory does not grow with the number of inputs: at
        most `2 * concurrency` are taken whose results have not been handed out.

        Args:
            inputs: an iterable or async iterable of inputs, lazy ones too, or of pairs (key, input); or a mapping from
                keys to inputs. An exception of its own is raised after the results of what was taken before. In the
                place of an input may stand the handle of a job of this endpoint: it is waited for, not submitted.
            concurrency: how many jobs are in flight at once. With an `http_client` or a transport of your own that
                knows no asyncio, the sync client uses a thread for each, and at most 64.
            ordered: hand results out in the order of their inputs.
            retries: how often a job that FAILED or TIMED_OUT is queued again, under its id. A submit whose outcome is
                unknown is not repeated: its result has a SubmissionUnknownError, and is listed in `unknowns` too.
            on_abandon: what becomes of jobs in flight when the run is closed early, interrupted or forgotten.
            on_submit: called with a key and None right before its input is sent, and with the key and the handle of its
                job as soon as that is known, so that a journal can be kept; what it raises ends the run. The sync
                client calls it in the run's own thread.
            on_result: called with each result right before it is handed out; what it raises ends the run.
            progress: show how far the run is: a bar in a notebook or a terminal, else lines on standard error.
            options: as for `run`, for every job.

        After an AuthenticationError, PaymentRequiredError, PermissionDeniedError or NotFoundError of a submit no more
        are sent: the inputs that are left become results with an error of the same class.

        Raises:
            TypeError, ValueError: a bad argument; a bad input is a result.
            RuntimeError: the client was closed meanwhile (while iterating).
        """
        from ._map import AsyncMap  # noqa: PLC0415  brings asyncio, which few calls need
        from ._map_job import AsyncMapResult, Plan  # noqa: PLC0415  as above

        plan: Plan[AsyncMapResult[T_co]] = Plan(
            endpoint_id=self.id,
            inputs=inputs,
            concurrency=concurrency,
            ordered=ordered,
            retries=retries,
            on_abandon=on_abandon,
            options=options,
            job_of=lambda job_id, submitted_at: AsyncJob(self._client, self.id, job_id, submitted_at, self._read),
            read=self._read,
            result=AsyncMapResult,
            handle=AsyncJob,
            on_submit=on_submit,
        )
        return AsyncMap(self._client, plan, on_result, progress=progress)

    def job(self, job_id: str) -> AsyncJob[T_co]:
        """Return a handle on a job by its id, from wherever the id comes. Makes no request."""
        return AsyncJob(self._client, self.id, checked_id("job_id", job_id), None, self._read)

    async def health(self) -> Health:
        """Return how many jobs and workers there are, and in what condition.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        return await self._ask(_api.health(self.id), _api.health_of)

    async def purge_queue(self) -> PurgeResult:
        """Remove every job that waits in the queue; running jobs go on. Not repeated when its outcome is unknown.

        Raises:
            APIError: the service refused, or could not be reached: then the queue may have been purged all the same.
        """
        return await self._ask(_api.purge_queue(self.id), _api.purge_result)

    async def _ask(self, request: Request, read: Callable[[Request, Answer], T]) -> T:
        settings = self._client._settings
        with span(request.operation, self.id):
            return await self._client._drive(ask(settings, request, settings.deadline(None), read))

    async def _submitted(
        self, request: Request, deadline: Deadline, options: SubmitOptions, on_abandon: OnAbandon
    ) -> tuple[AsyncJob[T_co], JobState]:
        client = self._client
        state = await client._submit(request, deadline, options, on_abandon)
        submitted_at = datetime.fromtimestamp(client._settings.clock.time(), UTC)
        return AsyncJob(client, self.id, state.id, submitted_at, self._read), state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"
