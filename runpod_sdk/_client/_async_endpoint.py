"""One endpoint, for asyncio. `_sync_endpoint.py` is generated from this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, overload

from runpod_sdk._flows import _answers, _api
from runpod_sdk._flows._control import end_instead
from runpod_sdk._flows._delivery import checked_gap
from runpod_sdk._flows._exchange import ask
from runpod_sdk._flows._loading import loading
from runpod_sdk._flows._wait import OnAbandon, checked_abandon
from runpod_sdk._telemetry import span
from runpod_sdk._values._arguments import checked_id
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._policies import HOLD_MIN
from runpod_sdk._values._requests import HiddenOptions
from runpod_sdk._values._states import T_co
from runpod_sdk.errors import JobError

from ._async_job import AsyncJob, OnUpdate
from ._async_shell import called
from ._async_stream import AsyncStream
from ._submission import Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import TypeForm

    from runpod_sdk._flows._delivery import OnGap
    from runpod_sdk._values._fields import Told
    from runpod_sdk._values._generics import C
    from runpod_sdk._values._inputs import InputObject
    from runpod_sdk._values._openai import OpenAIAccess
    from runpod_sdk._values._outcomes import Answer
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import Request, SubmitOptions
    from runpod_sdk._values._states import Health, JobState, PurgeResult

    from ._async import AsyncClient
    from ._async_batches import AsyncBatches
    from ._async_shield import AsyncShieldedSend
    from ._bulk._async_map import AsyncMap, AsyncOnResult
    from ._bulk._batch_inputs import KeyOf
    from ._bulk._map_inputs import Given, Inputs, Many
    from ._bulk._map_options import AsyncMapOptions, AsyncUnkeyedMapOptions
    from ._bulk._map_plan import Concurrency, InputOptions, JournalPath, OnSubmit
    from ._bulk._map_stop import Stop
    from ._bulk._map_tables import FromRow
    from ._journal._journal import Journal
    from ._journal._rows import Again

T = TypeVar("T")
K = TypeVar("K")


class AsyncEndpoint(Generic[T_co]):
    """One endpoint. Makes no request by itself.

    Attributes:
        id: the endpoint's id; or its URL, if it was given by URL.
        url: its address.

    Raises:
        TypeError, ValueError: an invalid id.

    Examples:
        >>> from runpod_sdk import AsyncClient
        >>> AsyncClient("key").endpoint("abc").url
        'https://api.runpod.ai/v2/abc'
    """

    __slots__ = ("_client", "_read", "id", "url")

    def __init__(
        self,
        client: AsyncClient,
        endpoint_id: str | None,
        read: Callable[[JobState], T_co] | None = None,
        *,
        url: str | None = None,
    ) -> None:
        self._client = client
        self._read = read
        self.id = checked_id("endpoint_id", endpoint_id) if url is None else url
        self.url = f"{client.base_url}/{self.id}" if url is None else url

    async def run(
        self,
        input: InputObject | None,  # noqa: A002  the service's word
        *,
        timeout: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncJob[T_co]:
        """Submit a job and return its handle as soon as the service has queued it.

        Args:
            input: what the worker gets as `job["input"]`: a JSON object, sent unchanged, 10 MiB at most; or an instance
                of a pydantic model, an attrs class or a dataclass, sent as its fields. An empty input, or None, is
                accepted, but then a real worker gets a job without input, which fails.
            timeout: the longest this call may take, including retries, seconds.
            options: see `SubmitOptions`.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            JobFailedError: a public endpoint refused the input.
            APIError: the job was not queued.

        If the call is interrupted while the answer is on its way, it waits for the answer, 5 seconds at most, and then
        cancels the job, since nobody has its id, or records it in `client.unknowns`.
        """
        given, chosen = Hidden(input), HiddenOptions(options)
        del input, options  # from here on no frame shows them
        deadline = self._client._settings.deadline(timeout)
        request = _api.built(_api.run, self.id, given, chosen, self.run)
        submission = self._submission(request, deadline, chosen, "cancel")
        try:
            with span("run", self.id, at=self.url):
                return (await self._submitted(submission))[0]
        except BaseException as error:
            await self._client._settle(submission, error)
            raise

    async def run_sync(
        self,
        input: InputObject | None,  # noqa: A002  the service's word
        timeout: float | None = None,
        *,
        on_abandon: OnAbandon = "cancel",
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T_co:
        """Submit a job, wait for it, and return its output. A short job takes a single request.

        Args:
            input: what the worker gets as `job["input"]`, as for `run`: 20 MiB at most (10 MiB when `timeout` is below
                a second).
            timeout: the longest the whole call may take, seconds; None waits until the job ends or expires.
            on_abandon: what happens to the job if this call ends first: "cancel" or "detach".
            on_update: called with each new state, about once a second at most. For a job that stays queued,
                `state.queue_reason` says why (an occasional extra request, which cannot fail the wait).
            options: see `SubmitOptions`.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            JobFailedError, JobTimedOutError, JobCancelledError, JobExpiredError: how the job ended instead.
            OutputTypeError: it completed, but its output does not match the endpoint's `output_type`.
            WaitTimeoutError: the timeout passed first; a note on it says what happened to the job.
            APIError: the job was not queued, or the service could not be reached.
        """
        given, chosen = Hidden(input), HiddenOptions(options)
        del input, options  # from here on no frame shows them
        deadline = self._client._settings.deadline(timeout)
        checked_abandon(on_abandon)
        # Where less is left than the least hold of /runsync, that would overrun the deadline.
        build = _api.run if timeout is not None and timeout < HOLD_MIN else _api.run_sync
        request = _api.built(build, self.id, given, chosen, self.run_sync)
        submission = self._submission(request, deadline, chosen, on_abandon)
        job: AsyncJob[T_co] | None = None
        try:
            with span("run_sync", self.id, at=self.url):
                job, state = await self._submitted(submission)
                return job._output(await job._ended(deadline, on_update, seen=state))
        except BaseException as error:
            await self._client._settle(submission, error)
            end = end_instead(error, None if submission.outcome is None else submission.outcome.end)
            if job is None or end is None:
                raise
            if on_update is not None:
                await called(on_update, end)
            return job._output(end)

    def stream(
        self,
        input: InputObject | None,  # noqa: A002  the service's word
        timeout: float | None = None,
        *,
        on_abandon: OnAbandon = "cancel",
        on_gap: OnGap = "repair",
        chunk_type: TypeForm[C] = Any,
        **options: Unpack[SubmitOptions],
    ) -> AsyncStream[T_co, C]:
        """Return the stream of a new job, which is submitted on entering `with` or when the first chunk is requested.

        Arguments and errors are those of `run`, and of `AsyncJob.stream`.
        """
        given, chosen = Hidden(input), HiddenOptions(options)
        del input, options  # from here on no frame shows them
        request = _api.built(_api.run, self.id, given, chosen, self.stream)
        checked_gap(on_gap)

        async def submit(deadline: Deadline) -> AsyncJob[T_co]:
            submission = self._submission(request, deadline, chosen, on_abandon)
            try:
                with span("run", self.id, at=self.url):
                    return (await self._submitted(submission))[0]
            except BaseException as error:
                await self._client._settle(submission, error)
                raise

        return AsyncStream(self._client, submit, timeout, checked_abandon(on_abandon), on_gap, chunk_type)

    @overload
    def map(  # type: ignore[overload-overlap]  # a mapping whose keys are inputs is none
        self, inputs: Mapping[K, Given], **options: Unpack[AsyncMapOptions[T_co]]
    ) -> AsyncMap[T_co, K]: ...

    @overload
    def map(self, inputs: Many[Given], **options: Unpack[AsyncUnkeyedMapOptions[T_co]]) -> AsyncMap[T_co, int]: ...

    @overload
    def map(self, inputs: Many[tuple[K, Given]], **options: Unpack[AsyncMapOptions[T_co]]) -> AsyncMap[T_co, K]: ...

    @overload
    def map(self, inputs: Inputs, **options: Unpack[AsyncMapOptions[T_co]]) -> AsyncMap[T_co, Any]: ...

    def map(
        self,
        inputs: Inputs,
        *,
        concurrency: Concurrency = 64,
        ordered: bool = False,
        retries: int = 0,
        journal: JournalPath | Journal | None = None,
        again: Iterable[Again] = (),
        input_options: InputOptions | None = None,
        stop: Stop | None = None,
        from_row: FromRow | None = None,
        via: Literal["jobs", "batch"] = "jobs",
        key_of: KeyOf | None = None,
        on_abandon: OnAbandon | None = None,
        on_submit: OnSubmit | None = None,
        on_result: AsyncOnResult[T_co, Any] | None = None,
        progress: bool = False,
        **options: Unpack[SubmitOptions],
    ) -> AsyncMap[T_co, Any]:
        """Return the results of many jobs as they end: one job per input, a limited number at once.

        Nothing is sent before the first result is requested. Each job takes two requests. Bad inputs, refused submits
        and failed jobs are results with an `error`, never exceptions. Memory does not grow with the number of inputs:
        at most `2 * concurrency` are in progress or waiting to be handed out. Results are fetched as jobs end, even if
        the caller is slow; after 25 minutes in memory one is warned about, unless there is a journal.

        Args:
            inputs: an iterable or async iterable of inputs or of (key, input) pairs; or a mapping from keys to inputs;
                or a pandas, polars or Arrow table, whose rows are the inputs (with pandas, its index has the keys;
                numpy numbers become numbers, missing values null). They are read lazily, a sync iterator in a thread
                of its own, so that it never delays a result. If it raises, the results of earlier inputs come first.
                A handle on a job of this endpoint may take the place of an input: it is waited for, not submitted.
            concurrency: how many jobs are in flight at once. "auto" checks the endpoint's health every 5 seconds and
                raises the number as long as that brings more workers, up to 1,000; a 429 lowers it. With an
                `http_client` or transport without async support, the sync client uses a thread per job, at most 64.
            ordered: return results in the order of their inputs.
            retries: how often a job that FAILED or TIMED_OUT is queued again, under the same id. A submit that may have
                arrived is never repeated: its result has a SubmissionUnknownError, and is also in `unknowns`.
            journal: a file that records what happened to each input, so that the same call can go on after a crash:
                see `Journal`. Jobs that ended are not submitted again, and are handed out again only if they had not
                been; jobs in flight are collected by their ids, first of all; refused submits are sent. An input is
                identified by its key (a text or a whole number), else by its content and how many equal inputs came
                before it; this becomes the `key` of its result. A different input under a known key is refused.
                Inputs may gain or lose keys between runs. A changed key is refused, unless the old one comes too.
            again: which inputs in the journal to submit again: "failed" (FAILED, TIMED_OUT or CANCELLED), "expired"
                (the service had deleted the result), "unknown" (may have arrived, so it may run twice), "renamed"
                (submitted under another key).
            input_options: called with key and input right before a submit; returns options of `run` for this input,
                which override those for all: a webhook with the key in its URL, say. An exception from it ends the
                run; invalid options make the result a TypeError or ValueError.
            stop: conditions under which no more is submitted, by failures, cost or time: see `Stop`. Jobs in flight
                are waited for; inputs that were read already become results with a MapStoppedError.
            from_row: how to make an input from a table row: a mapping from input fields to columns, or a function of
                the row as a dict.
            via: "jobs", or "batch": submit the inputs in batches (in beta at the service) of up to 5,000, ten at
                once, so up to 50,000 inputs are in memory. A batch is submitted when full, or at the last input.
                `concurrency`, `retries`, `journal`, `stop` and job options do not apply. Closing the run cancels its
                batches, or with "detach" leaves them running; after a kill, find them with `batches.list()`.
            key_of: called with an output as received; returns the key of its input. Required with `via="batch"`,
                because the service does not say which input a result belongs to; keys must be unique. An input
                without a matching result has a BatchResultError; results that match no key are in `unassigned`.
            on_abandon: what happens to jobs in flight if the run is closed early, interrupted or garbage-collected:
                "cancel" or "detach". None: cancel them without a journal; with one, let them run for the next run.
            on_submit: called with a key and None right before its input is sent, and with the key and the job's handle
                as soon as it is known, so that you can record both; an exception from it ends the run. The sync
                client calls it in the run's own thread.
            on_result: called with each result right before it is handed out; an exception from it ends the run.
            progress: show progress: a bar in a notebook or a terminal, else lines on standard error.
            options: as for `run`, for all jobs.

        After a submit fails with AuthenticationError, PaymentRequiredError, PermissionDeniedError or NotFoundError, no
        more are sent: the remaining inputs become results with an error of the same class.

        Raises:
            TypeError, ValueError: a bad argument; a bad input is a result.
            RuntimeError: the client was closed during the iteration.
            JournalError: the journal cannot be used, is another endpoint's, or another run is at work with it (while
                iterating, and before anything is sent); or it could not be written.
        """
        with loading("a bulk run"):
            from ._bulk._async_map import AsyncMap
            from ._bulk._map_plan import Plan, abandon_of, again_of, journal_of
            from ._bulk._map_result import AsyncMapResult

        given, chosen = Hidden(inputs), HiddenOptions(options)
        del inputs, options  # from here on no frame shows them
        plan: Plan[AsyncMapResult[T_co]] = Plan(
            endpoint_id=self.id,
            endpoint_url=self.url,
            inputs=given,
            concurrency=concurrency,
            ordered=ordered,
            retries=retries,
            on_abandon=abandon_of(on_abandon, journal),
            options=chosen,
            job_of=lambda job_id, submitted_at, life: AsyncJob(
                self._client, self.id, job_id, submitted_at, self._read, life
            ),
            read=self._read,
            result=AsyncMapResult.made,
            handle=AsyncJob,
            on_submit=on_submit,
            journal=journal_of(journal),
            again=again_of(again, journal),
            input_options=input_options,
            stop=stop,
            from_row=from_row,
            method=self.map,
        )
        if via != "jobs" or key_of is not None:
            with loading("a bulk run by batches"):
                from ._async_batch_map import AsyncBatchMap
                from ._bulk._batch_inputs import checked_key_of

            key_of = checked_key_of(via, key_of, plan)
            if key_of is not None:
                return AsyncBatchMap(self.batches, plan, key_of, on_result, progress=progress)
        return AsyncMap(self._client, plan, on_result, progress=progress)

    def job(self, job_id: str) -> AsyncJob[T_co]:
        """Return a handle on an existing job, by its id. Makes no request."""
        return AsyncJob(self._client, self.id, checked_id("job_id", job_id), None, self._read)

    @property
    def batches(self) -> AsyncBatches:
        """The batches of this endpoint (in beta at the service)."""
        with loading("batches"):
            from runpod_sdk._flows._batch_api import load

            from ._async_batches import AsyncBatches

            load()
        return AsyncBatches(self._client, self.id)

    @property
    def openai(self) -> OpenAIAccess:
        """The settings with which OpenAI clients call this endpoint, for workers such as vLLM. Makes no request."""
        with loading("the settings for OpenAI clients"):
            from runpod_sdk._values._openai import OpenAIAccess

        return OpenAIAccess(base_url=f"{self.url}/openai/v1", api_key=self._client._service.api_key.reveal())

    async def health(self) -> Health:
        """Return the number of jobs and workers of the endpoint, by condition.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        return await self._ask(_api.health(self.id), _answers.health_of)

    async def purge_queue(self) -> PurgeResult:
        """Remove all queued jobs; running jobs go on. Not repeated if its outcome is unknown.

        Raises:
            APIError: the service refused, or could not be reached; in that case the queue may have been purged.
        """
        return await self._ask(_api.purge_queue(self.id), _answers.purge_result)

    async def _ask(self, request: Request, read: Callable[[Request, Answer, Told], T]) -> T:
        settings = self._client._settings
        with span(request.operation, self.id, at=self.url):
            return await self._client._drive(ask(settings, request, settings.deadline(None), read))

    def _submission(
        self, request: Request, deadline: Deadline, options: HiddenOptions, on_abandon: OnAbandon
    ) -> Submission[AsyncShieldedSend]:
        return Submission(request=request, deadline=deadline, options=options, on_abandon=on_abandon)

    async def _submitted(self, submission: Submission[AsyncShieldedSend]) -> tuple[AsyncJob[T_co], JobState]:
        client = self._client
        try:
            state = await client._submit(submission)
        except JobError as failed:  # refused as a job that has failed already
            raise failed.about(self.job(failed.job_id)) from failed.__cause__
        life = submission.ref(client._settings, state).life
        return AsyncJob(client, self.id, state.id, submission.submitted_at, self._read, life), state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"
