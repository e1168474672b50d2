"""The classes of the official `runpod.endpoint.asyncio.asyncio_runner`."""

from __future__ import annotations

from runpod_sdk.compat._async import AsyncioEndpoint as Endpoint
from runpod_sdk.compat._async import AsyncioJob as Job
from runpod_sdk.compat.endpoint.helpers import FINAL_STATES, is_completed

__all__ = ["FINAL_STATES", "Endpoint", "Job", "is_completed"]
