"""Options where the service's behaviour is unknown, or where tests want another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runpod_sdk.emulator._limits import RESULT_BYTES

if TYPE_CHECKING:
    from runpod_sdk.emulator._scaling import Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the emulator; the defaults suit every official client.

    Attributes:
        not_found: the body of a 404: "message" is `{"error": …}`, "problem" the service's own
            `{"status": 404, "title": …, "detail": …}`, whose number the official asyncio client takes for a job status.
        check_policy: False accepts any `policy`, with defaults for values out of range.
        require_input: True refuses a body without `input`, or with null, with 400; the service takes both as `{}`.
        empty_input: what happens to `"input": {}`. "lost": as on the service, the worker gets a job without input, and
            the job fails after one retry. "delivered": the handler gets an empty dict.
        cancel_finished: what cancelling a finished job answers: "answered" is 200 with the job as it is, "refused" 400.
        execution_timeout: the endpoint's setting, in seconds, for jobs whose policy names none.
        ttl: the endpoint's setting, in seconds, for jobs whose policy names none.
        scaling: how endpoints start and stop workers, and how long that takes; see `Scaling`. None: all declared
            workers are always up.
        queue_limit: answer 429 to a submit while more than 50 jobs, and more than 500 for each worker, are queued, as
            the documentation had it until October 2025.
        endpoint_propagation: for how many seconds after its declaration an endpoint is answered 404.
        job_propagation: for how many seconds after its submit a job is answered 404; `/runsync` itself is answered.
        overrun_status: how a job ends that exceeds its executionTimeout.
        failed_status: how a job ends whose handler fails; "ERROR" is what a sample of the documentation waits for.
        log_capture: the error of a failing handler includes what it printed, as with runpod 2.0 and
            RUNPOD_LOG_CAPTURE=all; real workers and worker files get that variable.
        batch_order: the order in which a batch lists its requests: as added, or by status, as the service's console
            does, so that pages change while it runs.
        batch_status: True: `/status` and the other operations treat the requests of batches as jobs.
        batch_cancel_draft: what cancelling a draft does.
        batch_webhook: the URL that receives batches that are CANCELLED or FAILED; where the service has it from is
            unknown.
        stream_hold: seconds that `/stream` is held without `wait`; below the 10 seconds of the official Python client.
        status_sync_hold: seconds that `/status-sync` is held without `wait`.
        take_hold: seconds that a worker's request for a job, or for one to stop, is held; the official worker hangs up
            after 90, and is never idle: after each answer without a job it asks again at once.
        lease: seconds after which a worker that speaks HTTP loses a job, unless a ping that lists it, progress or a
            chunk arrives. (live: a sample was given out again after 40 seconds; reported pings: every 10)
        worker_grace: seconds that a worker process has to exit after SIGTERM, before its group is killed.
        result_limit: the largest result, bytes of JSON; with a larger one the job is COMPLETED without output, and the
            log says so. None: no limit.
        webhook_on_cancel: cancelled and purged jobs are reported, too.
        webhook_timeout: how long the receiver of a webhook may take to answer, in real seconds.
        rate_limits: enforce the documented rate limits, and answer 429 beyond them.
        rate_per_worker: what each running worker adds, as a share of the base limits; the limits grow once the workers
            add up to more than the base.
        cors: the origins whose pages may call the routes of the service in a browser, with the key, such as
            "http://localhost:3000"; never those under /_emulator.
        host_names: further host names under which /_emulator may be called, with the key. Always allowed: names of
            this machine, IP addresses, and names that public DNS cannot have.
        record: how many requests `Emulator.requests` keeps.
        ledger: how many rows, and accounts of jobs, `Emulator.ledger` keeps; 0: it is off.
    """

    not_found: Literal["message", "problem"] = "message"
    check_policy: bool = True
    require_input: bool = False  # official source: runpodctl run_test.go, null and absent are legal
    empty_input: Literal["lost", "delivered"] = "lost"
    cancel_finished: Literal["answered", "refused"] = "answered"
    execution_timeout: float = 600.0  # docs: endpoint-configurations, unless it was changed
    ttl: float = 86_400.0  # the same
    scaling: Scaling | None = None
    queue_limit: bool = False
    endpoint_propagation: float = 0.0
    job_propagation: float = 0.0
    overrun_status: Literal["FAILED", "TIMED_OUT"] = "FAILED"
    failed_status: Literal["FAILED", "ERROR"] = "FAILED"
    log_capture: bool = False
    batch_order: Literal["added", "status"] = "added"
    batch_status: bool = False
    batch_cancel_draft: Literal["cancelled", "refused"] = "cancelled"
    batch_webhook: str | None = None
    stream_hold: float = 5.0
    status_sync_hold: float = 90.0
    take_hold: float = 60.0
    lease: float = 40.0
    worker_grace: float = 10.0
    result_limit: int | None = RESULT_BYTES
    webhook_on_cancel: bool = True  # docs: "when a job ends"; assumed: that this is an end, too
    webhook_timeout: float = 30.0  # assumed
    rate_limits: bool = False
    rate_per_worker: float = 0.025  # docs: send-requests as of 2025-10, 50 on 2000; today's names none
    cors: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()
    record: int = 10_000
    ledger: int = 50_000


def check_pages(options: Options) -> None:
    """Refuse invalid origins and host names."""
    for origin in options.cors:
        if not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", origin):
            raise ValueError(f"cors={origin[:200]!r}: an origin expected, in lower case, such as http://localhost:3000")
    for name in options.host_names:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise ValueError(f"host_names={name[:200]!r}: the name of a host expected, without a port")


def check_given(name: str, value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Refuse an argument of another type; True is no number."""
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int):
        raise TypeError(f"{name}={value!r}: {expected} expected")


def check_workers(workers: int) -> None:
    """Refuse what is no number of workers."""
    check_given("workers", workers, int, "a whole number")
    if workers < 0:
        raise ValueError(f"workers={workers}: must not be negative")


def check_id(endpoint_id: str) -> None:
    """Refuse an endpoint id that cannot stand in a URL's path, as clients do."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", endpoint_id):
        raise ValueError(f"endpoint_id={endpoint_id[:200]!r}: 1 to 128 of the characters A-Z a-z 0-9 _ - expected")


def check_key(api_key: str) -> None:
    """Refuse a key that cannot be sent in a header."""
    if not isinstance(api_key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("api_key: a text expected")
    if not re.fullmatch(r"[\x20-\x7e]+", api_key) or api_key != api_key.strip():
        raise ValueError("api_key: ASCII characters without blanks around them expected, as a header carries them")


def check_place(host: str, port: int) -> None:
    """Refuse an invalid host or port."""
    if not re.fullmatch(r"[\x21-\x7e]+", host):
        raise ValueError(f"host={host!r}: a name or an address of this machine expected")
    if not 0 <= port < 2**16:
        raise ValueError(f"port={port}: 0 to 65535 expected")
