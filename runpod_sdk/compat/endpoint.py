"""The classes that the official `runpod.endpoint` and its modules define."""

from __future__ import annotations

from ._async import AsyncioEndpoint, AsyncioJob
from ._sync import Endpoint, Job, RunPodClient

__all__ = ["AsyncioEndpoint", "AsyncioJob", "Endpoint", "Job", "RunPodClient"]
