"""Contains all the data models used in inputs/outputs"""

from .batch import Batch
from .batch_addition import BatchAddition
from .batch_answer import BatchAnswer
from .batch_created import BatchCreated
from .batch_list import BatchList
from .batch_request import BatchRequest
from .batch_requests import BatchRequests
from .batch_update import BatchUpdate
from .error_message import ErrorMessage
from .health import Health
from .health_jobs import HealthJobs
from .health_workers import HealthWorkers
from .job import Job
from .job_input import JobInput
from .job_status import JobStatus
from .policy import Policy
from .problem import Problem
from .purge_result import PurgeResult
from .run_request import RunRequest
from .s3_config import S3Config
from .stream_chunk import StreamChunk
from .stream_metrics import StreamMetrics
from .stream_result import StreamResult
from .submitted_job import SubmittedJob

__all__ = (
    "Batch",
    "BatchAddition",
    "BatchAnswer",
    "BatchCreated",
    "BatchList",
    "BatchRequest",
    "BatchRequests",
    "BatchUpdate",
    "ErrorMessage",
    "Health",
    "HealthJobs",
    "HealthWorkers",
    "Job",
    "JobInput",
    "JobStatus",
    "Policy",
    "Problem",
    "PurgeResult",
    "RunRequest",
    "S3Config",
    "StreamChunk",
    "StreamMetrics",
    "StreamResult",
    "SubmittedJob",
)
