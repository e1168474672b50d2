"""`runpod.serverless.utils.rp_cuda`."""

from __future__ import annotations

import subprocess


def is_available() -> bool:
    """Whether `nvidia-smi` finds a GPU."""
    try:
        found = subprocess.run(["nvidia-smi"], capture_output=True, check=True).stdout  # noqa: S607  as the package does
    except (OSError, subprocess.SubprocessError):
        return False
    return b"NVIDIA-SMI" in found
