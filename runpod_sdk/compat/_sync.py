"""The official sync client's interface on top of `Client`. `_async.py` has the async one."""

from __future__ import annotations

import atexit
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runpod_sdk._client._sync import Client
from runpod_sdk._flows import _api
from runpod_sdk._flows._job_errors import error_of

from ._access import Access
from ._body import parts
from ._raw import asked, called
from .error import as_official

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk._values._states import JobState

# One client for each key and address, for the life of the process: endpoints are often made anew for each call. A
# client is safe in threads and after a fork; dict.setdefault lets one win.
_CLIENTS: dict[Access, Client] = {}


def client_of(access: Access) -> Client:
    """Return the one client of a key and an address."""
    client = _CLIENTS.get(access)
    # Plain http is allowed: the official client asks nothing, and the address is one that the user has named.
    return client or _CLIENTS.setdefault(access, Client(access.api_key, base_url=access.base_url, allow_http=True))


@atexit.register
def _close_clients() -> None:
    for client in _CLIENTS.values():
        client.close()


class RunPodClient:
    """A key and an address, as `Endpoint` and `Job` share them.

    Attributes:
        api_key: the key.
        endpoint_url_base: what stands before `/{endpoint_id}`.
        headers: what the official client sends; they hold the key.
        native: the `runpod_sdk.Client` under it, shared by all of the same key and address.

    Raises:
        RuntimeError: there is no key.
        ValueError: a key or an address that cannot be meant.
    """

    def __init__(self, api_key: str | None = None) -> None:
        access = Access.current(api_key)
        self.api_key = access.api_key
        self.endpoint_url_base = access.base_url
        self.headers = access.headers
        self.native = client_of(access)

    def get(self, endpoint: str, timeout: float = 10) -> Any:
        """Ask what this path says, such as "abc/status/ID", and return the service's JSON.

        Raises:
            ValueError: it is no path of an endpoint's operations; nothing was sent.
            APIError: the service refused, or could not be reached.
        """
        return self.post(endpoint, None, timeout)

    def post(self, endpoint: str, data: dict[str, Any] | None, timeout: float = 10) -> Any:
        """Do what this path says, such as "abc/run" or "abc/cancel/ID", and return the service's JSON.

        Args:
            endpoint: the path below the address.
            data: the body of a submit; others have none.
            timeout: most seconds for one request; it is repeated where that helps.

        Raises:
            TypeError, ValueError: no path of an endpoint's operations, or no request; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            APIError: the service refused, or could not be reached.
        """
        with as_official():
            return called(self.native.with_options(timeout=timeout), endpoint, data, timeout)


class Job:
    """A job that was submitted.

    Attributes:
        endpoint_id: where it is.
        job_id: its id.
        rp_client: with whose key it is looked at.
        native: the `runpod_sdk.Job` under it, with `state`, `wait` and `retry`.
    """

    def __init__(self, endpoint_id: str, job_id: str, client: RunPodClient) -> None:
        self.endpoint_id = endpoint_id
        self.job_id = job_id
        self.rp_client = client
        self.native = client.native.endpoint(endpoint_id).job(job_id)
        self._final: JobState | None = None

    @property
    def job_status(self) -> str | None:
        """The final status, once it was seen; else None."""
        return None if self._final is None else str(self._final.status)

    @property
    def job_output(self) -> Any:
        """The output, once the final status was seen; else None."""
        return None if self._final is None else self._final.output

    def status(self) -> str:
        """Return the status, such as "IN_QUEUE"; once it was final, without asking again.

        Raises:
            JobExpiredError, NotFoundError: the service does not know the job (any more).
            APIError: the service refused, or could not be reached.
        """
        return str(self._looked().status)

    def output(self, timeout: float = 0) -> Any:
        """Return the output.

        Args:
            timeout: most seconds to wait for the job's end. 0 looks once: a job that still runs has its last
                `progress_update`, or None.

        Raises:
            JobFailedError, JobTimedOutError, JobCancelledError: the job ended so.
            WaitTimeoutError: a TimeoutError: the timeout passed first.
            JobExpiredError, APIError: as `status` does.
        """
        if timeout > 0 and self._final is None:
            with as_official():
                state = self._noted(self.native.wait(timeout))
        else:
            state = self._looked()
        error = error_of(state)
        if error is not None:
            raise error.about(self.native)
        return state.output if state.is_final else state.progress

    def stream(self) -> Iterator[Any]:
        """Iterate over what the worker yields, each chunk once.

        Raises:
            StreamInterruptedError: chunks were lost or repeated on the way (while iterating, as all of these).
            JobFailedError, JobTimedOutError, JobCancelledError: after the last chunk of a job that ended so.
            JobExpiredError, APIError: as `status` does.
        """
        with as_official(), self.native.stream() as stream:
            yield from stream
            if stream.state is not None:
                self._noted(stream.state)

    def cancel(self, timeout: float = 3) -> dict[str, Any]:
        """Cancel the job, and return what the service says: `{"id", "status": "CANCELLED"}`, or how it had ended.

        Args:
            timeout: most seconds for one request; it is repeated where that helps.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        client = self.rp_client.native.with_options(timeout=timeout)
        with as_official():
            return dict(replace(self.native, _client=client).cancel().raw)

    def _looked(self) -> JobState:
        if self._final is not None:
            return self._final
        with as_official():
            return self._noted(self.native.state())

    def _noted(self, state: JobState) -> JobState:
        if state.is_final:
            self._final = state
        return state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r}, {self.job_id!r})"


class Endpoint:
    """An endpoint, by its id.

    Attributes:
        endpoint_id: its id.
        rp_client: with whose key it is called.
        native: the `runpod_sdk.Endpoint` under it, with `stream`, `map` and all options.

    Args:
        endpoint_id: the id.
        api_key: a key for this endpoint; else `runpod.api_key`, `~/.runpod/config.toml`, RUNPOD_API_KEY.

    Raises:
        RuntimeError: there is no key.
        TypeError, ValueError: an id, key or address that cannot be meant.

    Examples:
        >>> from runpod_sdk import compat as runpod
        >>> runpod.Endpoint("abc", api_key="key")
        Endpoint('abc')
    """

    def __init__(self, endpoint_id: str, api_key: str | None = None) -> None:
        self.endpoint_id = endpoint_id
        self.rp_client = RunPodClient(api_key=api_key)
        self.native = self.rp_client.native.endpoint(endpoint_id)

    def run(self, request_input: dict[str, Any]) -> Job:
        """Submit a job, and return its handle.

        Args:
            request_input: a whole request, `{"input": {…}, "webhook": …, "policy": {…}}`, or the input alone.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            APIError: the job was not queued.
        """
        job_input, options = parts(request_input)
        with as_official():
            native = self.native.run(job_input, **options)
        job = Job(self.endpoint_id, native.id, self.rp_client)
        job.native = native  # it knows when it was submitted
        return job

    def run_sync(self, request_input: dict[str, Any], timeout: float = 86400) -> Any:
        """Submit a job, wait for it, and return its output.

        Args:
            request_input: as for `run`.
            timeout: most seconds for the whole call; then the job goes on, and `error.job_id` says which it is.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            SubmissionUnknownError: the submit may have arrived; it was not repeated.
            JobFailedError, JobTimedOutError, JobCancelledError, JobExpiredError: how the job ended instead.
            WaitTimeoutError: a TimeoutError: the timeout passed first.
            APIError: the job was not queued, or the service could not be reached.
        """
        job_input, options = parts(request_input)
        with as_official():
            return self.native.run_sync(job_input, timeout, on_abandon="detach", **options)

    def health(self, timeout: float = 3) -> dict[str, Any]:
        """Return how many jobs and workers there are, in the service's words.

        Args:
            timeout: most seconds for one request; it is repeated where that helps.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        client = self.rp_client.native.with_options(timeout=timeout)
        with as_official():
            health: dict[str, Any] = asked(client, _api.health(self.endpoint_id))
            return health

    def purge_queue(self, timeout: float = 3) -> dict[str, Any]:
        """Remove every job that waits in the queue, and return how many: `{"removed": 2, "status": "completed"}`.

        Args:
            timeout: most seconds for one request.

        Raises:
            APIError: the service refused, or could not be reached: then the queue may have been purged all the same.
        """
        client = self.rp_client.native.with_options(timeout=timeout)
        with as_official():
            purged: dict[str, Any] = asked(client, _api.purge_queue(self.endpoint_id))
            return purged

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r})"
