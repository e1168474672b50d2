"""The routes of users. To add one, add its row to `CLIENT_ROUTES` and the request it makes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._routes._batch_routes import BATCH_ROUTES
from runpod_sdk.emulator._routes._queries import ttl_of, wait_of
from runpod_sdk.emulator._routes._route import Route, too_large
from runpod_sdk.emulator._routes._submits import run, run_sync

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._routes._route import Call

_GET, _POST, _BOTH = ("GET",), ("POST",), ("GET", "POST")
_JOB = ("job",)


def _status(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.Status(job_id=call.job_id, ttl=ttl_of(call.query))


def _status_sync(call: Call, _: bytes, options: Options) -> ask.Request:
    return ask.Status(job_id=call.job_id, wait=wait_of(call.query, options.status_sync_hold))


def _stream(call: Call, _: bytes, options: Options) -> ask.Request:
    return ask.ReadStream(job_id=call.job_id, wait=wait_of(call.query, options.stream_hold))


def _cancel(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.Cancel(job_id=call.job_id)


def _retry(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.RetryJob(job_id=call.job_id)


def _purge(_: Call, __: bytes, ___: Options) -> ask.Request:
    return ask.Purge()


def _health(_: Call, __: bytes, ___: Options) -> ask.Request:
    return ask.ReadHealth()


_row = partial(Route, too_large=too_large)
# docs: send-requests, rate limits; until 2025-09 with /status-sync, which shares the limit of /status.
# official source: the Go client POSTs status, status-sync and stream.
CLIENT_ROUTES = (
    _row(name="run", request=run, methods=_POST, body_mib=limits.RUN_BODY_MIB, rate=(1000, 200)),
    _row(name="runsync", request=run_sync, methods=_POST, body_mib=limits.RUNSYNC_BODY_MIB, rate=(2000, 400)),
    _row(name="status", request=_status, methods=_BOTH, ids=_JOB, rate=(2000, 400)),
    _row(name="status-sync", request=_status_sync, methods=_BOTH, ids=_JOB, counts_as="status"),
    _row(name="stream", request=_stream, methods=_BOTH, ids=_JOB, rate=(2000, 400)),
    _row(name="cancel", request=_cancel, methods=_POST, ids=_JOB, rate=(100, 20)),
    _row(name="retry", request=_retry, methods=_POST, ids=_JOB),
    _row(name="purge-queue", request=_purge, methods=_POST, rate=(2, math.inf)),
    _row(name="health", request=_health, methods=_GET),
    *BATCH_ROUTES,
)
