"""The official async client's interface on top of `AsyncClient`. `_sync.py` has the sync one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runpod_sdk._client._async_job import AsyncJob
from runpod_sdk._flows import _api
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk._values._arguments import checked_id

from ._access import Access
from ._body import input_parts
from ._loops import client_of
from ._raw import asked_async
from .error import as_official

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod_sdk._client._async_endpoint import AsyncEndpoint
    from runpod_sdk._values._states import JobState


class AsyncioJob:
    """A job that was submitted.

    Args:
        endpoint_id: where it is.
        job_id: its id.
        session: not used; see `http_client.AsyncClientSession`.
        headers: those of its endpoint, for the key in them.

    Attributes:
        endpoint_url_base: what stands before `/{endpoint_id}`.
    """

    def __init__(self, endpoint_id: str, job_id: str, session: object, headers: dict[str, str]) -> None:
        self._access = Access.of_headers(headers)
        self.endpoint_id = checked_id("endpoint_id", endpoint_id)
        self.job_id = checked_id("job_id", job_id)
        self.session = session
        self.endpoint_url_base = self._access.base_url
        self.headers = headers
        self._submitted: AsyncJob | None = None  # as it came from its submit
        self._final: JobState | None = None

    @property
    def native(self) -> AsyncJob:
        """The `runpod_sdk.AsyncJob` under it, in the running event loop; with `state`, `wait` and `retry`."""
        client = client_of(self._access)
        if self._submitted is None:
            return AsyncJob(client, self.endpoint_id, self.job_id)
        return replace(self._submitted, _client=client)

    @property
    def job_status(self) -> str | None:
        """The final status, once it was seen; else None."""
        return None if self._final is None else str(self._final.status)

    @property
    def job_output(self) -> Any:
        """The output, once the final status was seen; else None."""
        return None if self._final is None else self._final.output

    async def status(self) -> str:
        """Return the status, such as "IN_QUEUE"; once it was final, without asking again.

        Raises:
            JobExpiredError, NotFoundError: the service does not know the job (any more).
            APIError: the service refused, or could not be reached.
        """
        if self._final is not None:
            return str(self._final.status)
        with as_official():
            return str(self._noted(await self.native.state()).status)

    async def output(self, timeout: float = 0) -> Any:  # noqa: ASYNC109  the official name
        """Wait for the job's end, and return its output.

        Args:
            timeout: most seconds to wait; 0 waits until the job ends or the service forgets it. The official client
                gives up at once then.

        Raises:
            JobFailedError, JobTimedOutError, JobCancelledError: the job ended so.
            WaitTimeoutError: a TimeoutError: the timeout passed first.
            JobExpiredError, APIError: as `status` does.
        """
        native = self.native
        state = self._final
        if state is None:
            with as_official():
                state = self._noted(await native.wait(timeout if timeout > 0 else None))
        error = error_of(state)
        if error is not None:
            raise error.about(native)
        return state.output

    async def stream(self) -> AsyncIterator[Any]:
        """Iterate over what the worker yields, each chunk once.

        Raises:
            StreamInterruptedError: chunks were lost or repeated on the way (while iterating, as all of these).
            JobFailedError, JobTimedOutError, JobCancelledError: after the last chunk of a job that ended so.
            JobExpiredError, APIError: as `status` does.
        """
        with as_official():
            async with self.native.stream() as stream:
                async for chunk in stream:
                    yield chunk
                if stream.state is not None:
                    self._noted(stream.state)

    async def cancel(self) -> dict[str, Any]:
        """Cancel the job, and return what the service says: `{"id", "status": "CANCELLED"}`, or how it had ended.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        with as_official():
            return dict((await self.native.cancel()).raw)

    def _noted(self, state: JobState) -> JobState:
        if state.is_final:
            self._final = state
        return state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r}, {self.job_id!r})"


class AsyncioEndpoint:
    """An endpoint, by its id.

    Args:
        endpoint_id: the id.
        session: not used: a session of aiohttp, or `http_client.AsyncClientSession`, which see.
        api_key: a key for this endpoint; else `runpod.api_key`, `~/.runpod/config.toml`, RUNPOD_API_KEY.

    Attributes:
        endpoint_url_base: what stands before `/{endpoint_id}`.
        endpoint_url: where jobs are submitted.
        headers: what the official client sends, for an `AsyncioJob` of a job whose id was kept. They hold the key.

    Raises:
        RuntimeError: there is no key.
        TypeError, ValueError: an id that is none.

    Examples:
        >>> from runpod_sdk import compat as runpod
        >>> runpod.AsyncioEndpoint("abc", runpod.http_client.AsyncClientSession(), api_key="key")
        AsyncioEndpoint('abc')
    """

    def __init__(self, endpoint_id: str, session: object, api_key: str | None = None) -> None:
        self._access = Access.current(api_key)
        self.endpoint_id = checked_id("endpoint_id", endpoint_id)
        self.session = session
        self.endpoint_url_base = self._access.base_url
        self.endpoint_url = f"{self.endpoint_url_base}/{endpoint_id}/run"
        self.api_key = self._access.api_key
        self.headers = self._access.headers

    @property
    def native(self) -> AsyncEndpoint:
        """The `runpod_sdk.AsyncEndpoint` under it, in the running event loop; with `run_sync`, `stream` and `map`."""
        return client_of(self._access).endpoint(self.endpoint_id)

    async def run(self, endpoint_input: dict[str, Any]) -> AsyncioJob:
        """Submit a job, and return its handle.

        Args:
            endpoint_input: the input, or a whole request, `{"input": {…}, "webhook": …, "policy": {…}}`.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            APIError: the job was not queued.
        """
        job_input, options = input_parts(endpoint_input)
        with as_official():
            native = await self.native.run(job_input, **options)
        job = AsyncioJob(self.endpoint_id, native.id, self.session, {**self.headers, "X-Request-ID": native.id})
        job._access, job._submitted = self._access, native  # noqa: SLF001  its own maker
        return job

    async def health(self) -> dict[str, Any]:
        """Return how many jobs and workers there are, in the service's words.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        with as_official():
            health: dict[str, Any] = await asked_async(client_of(self._access), _api.health(self.endpoint_id))
            return health

    async def purge_queue(self) -> dict[str, Any]:
        """Remove every job that waits in the queue, and return how many: `{"removed": 2, "status": "completed"}`.

        Raises:
            APIError: the service refused, or could not be reached: then the queue may have been purged all the same.
        """
        with as_official():
            purged: dict[str, Any] = await asked_async(client_of(self._access), _api.purge_queue(self.endpoint_id))
            return purged

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r})"
