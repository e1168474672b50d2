"""`runpod.serverless.modules.rp_progress`."""

from __future__ import annotations

from typing import Any

from ... import serverless


def progress_update(job: dict[str, Any], progress: Any) -> None:
    """Show `progress` as the output of a running job."""
    serverless.progress_update(job, progress)
