"""The classes of the official `runpod.endpoint.asyncio`."""

from __future__ import annotations

from .asyncio_runner import Endpoint, Job

__all__ = ["Endpoint", "Job"]
