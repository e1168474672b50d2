"""Independent client for the queue API of Runpod serverless endpoints. Not affiliated with Runpod.

Names are imported when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._values._version import __version__

if TYPE_CHECKING:
    from ._client._async import AsyncClient
    from ._client._async_batches import AsyncBatch, AsyncBatches
    from ._client._async_endpoint import AsyncEndpoint
    from ._client._async_job import AsyncJob
    from ._client._async_stream import AsyncStream
    from ._client._bulk._async_map import AsyncMap
    from ._client._bulk._completed import as_completed
    from ._client._bulk._map import Map
    from ._client._bulk._map_report import MapReport, Percentiles
    from ._client._bulk._map_result import (
        AsyncMapFailure,
        AsyncMapResult,
        AsyncMapSuccess,
        MapFailure,
        MapResult,
        MapSuccess,
    )
    from ._client._bulk._map_stop import Stop
    from ._client._engines import once
    from ._client._journal._items import JournalItem
    from ._client._journal._journal import Journal
    from ._client._sync import Client
    from ._client._sync_batches import Batch, Batches
    from ._client._sync_endpoint import Endpoint
    from ._client._sync_job import Job
    from ._client._sync_stream import Stream
    from ._display._images import OutputImage, OutputImages
    from ._telemetry import OperationStats, UnknownSubmission
    from ._values._batches import BatchPage, BatchResult, BatchState
    from ._values._openai import OpenAIAccess
    from ._values._policies import PollPolicy, Retry, RetryPolicy
    from ._values._requests import SubmitOptions
    from ._values._states import (
        Health,
        JobCounts,
        JobState,
        PurgeResult,
        QueueReason,
        S3Config,
        StreamChunk,
        WorkerCounts,
    )
    from ._values._status import JobStatus
    from .clock import Clock, SystemClock, VirtualClock
    from .errors import (
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        BatchError,
        BatchResultError,
        BatchTimeoutError,
        ConfigurationError,
        InternalServerError,
        JobCancelledError,
        JobError,
        JobExpiredError,
        JobFailedError,
        JobsError,
        JobTimedOutError,
        JournalError,
        MapStoppedError,
        NotFoundError,
        OutputTypeError,
        PayloadTooLargeError,
        PaymentRequiredError,
        PermissionDeniedError,
        RateLimitError,
        RunpodError,
        StreamInterruptedError,
        SubmissionUnknownError,
        WaitTimeoutError,
    )

_ROOMS = {
    "_values._requests": ("SubmitOptions",),
    "_client._async": ("AsyncClient",),
    "_client._async_batches": ("AsyncBatch", "AsyncBatches"),
    "_client._async_endpoint": ("AsyncEndpoint",),
    "_client._async_job": ("AsyncJob",),
    "_client._async_stream": ("AsyncStream",),
    "_client._bulk._completed": ("as_completed",),
    "_client._engines": ("once",),
    "_display._images": ("OutputImage", "OutputImages"),
    "_client._bulk._async_map": ("AsyncMap",),
    "_client._bulk._map": ("Map",),
    "_client._bulk._map_report": ("MapReport", "Percentiles"),
    "_client._bulk._map_result": (
        "AsyncMapFailure",
        "AsyncMapResult",
        "AsyncMapSuccess",
        "MapFailure",
        "MapResult",
        "MapSuccess",
    ),
    "_client._bulk._map_stop": ("Stop",),
    "_client._journal._items": ("JournalItem",),
    "_client._journal._journal": ("Journal",),
    "_values._policies": ("PollPolicy", "Retry", "RetryPolicy"),
    "_values._states": (
        "Health",
        "JobCounts",
        "JobState",
        "PurgeResult",
        "QueueReason",
        "S3Config",
        "StreamChunk",
        "WorkerCounts",
    ),
    "_values._status": ("JobStatus",),
    "_client._sync": ("Client",),
    "_client._sync_batches": ("Batch", "Batches"),
    "_client._sync_endpoint": ("Endpoint",),
    "_values._batches": ("BatchPage", "BatchResult", "BatchState"),
    "_values._openai": ("OpenAIAccess",),
    "_client._sync_job": ("Job",),
    "_client._sync_stream": ("Stream",),
    "_telemetry": ("OperationStats", "UnknownSubmission"),
    "clock": ("Clock", "SystemClock", "VirtualClock"),
    "errors": (
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "BatchError",
        "BatchResultError",
        "BatchTimeoutError",
        "ConfigurationError",
        "InternalServerError",
        "JobCancelledError",
        "JobError",
        "JobExpiredError",
        "JobFailedError",
        "JobTimedOutError",
        "JobsError",
        "JournalError",
        "MapStoppedError",
        "NotFoundError",
        "OutputTypeError",
        "PayloadTooLargeError",
        "PaymentRequiredError",
        "PermissionDeniedError",
        "RateLimitError",
        "RunpodError",
        "StreamInterruptedError",
        "SubmissionUnknownError",
        "WaitTimeoutError",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncBatch",
    "AsyncBatches",
    "AsyncClient",
    "AsyncEndpoint",
    "AsyncJob",
    "AsyncMap",
    "AsyncMapFailure",
    "AsyncMapResult",
    "AsyncMapSuccess",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "BatchError",
    "BatchPage",
    "BatchResult",
    "BatchResultError",
    "BatchState",
    "BatchTimeoutError",
    "Batches",
    "Client",
    "Clock",
    "ConfigurationError",
    "Endpoint",
    "Health",
    "InternalServerError",
    "Job",
    "JobCancelledError",
    "JobCounts",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobState",
    "JobStatus",
    "JobTimedOutError",
    "JobsError",
    "Journal",
    "JournalError",
    "JournalItem",
    "Map",
    "MapFailure",
    "MapReport",
    "MapResult",
    "MapStoppedError",
    "MapSuccess",
    "NotFoundError",
    "OpenAIAccess",
    "OperationStats",
    "OutputImage",
    "OutputImages",
    "OutputTypeError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "Percentiles",
    "PermissionDeniedError",
    "PollPolicy",
    "PurgeResult",
    "QueueReason",
    "RateLimitError",
    "Retry",
    "RetryPolicy",
    "RunpodError",
    "S3Config",
    "Stop",
    "Stream",
    "StreamChunk",
    "StreamInterruptedError",
    "SubmissionUnknownError",
    "SubmitOptions",
    "SystemClock",
    "UnknownSubmission",
    "VirtualClock",
    "WaitTimeoutError",
    "WorkerCounts",
    "__version__",
    "as_completed",
    "once",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that there is

    def __getattr__(name: str) -> object:
        room = _ROOM_OF.get(name)
        if room is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{room}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
