"""The classes that the official `runpod.endpoint.asyncio` defines."""

from __future__ import annotations

from .asyncio_runner import Endpoint, Job

__all__ = ["Endpoint", "Job"]
