"""What a worker sends for what its handler did: exactly as the official worker library builds it. Pure.

Source of every rule: runpod-python 1.12.0, serverless/modules/rp_job.py and rp_http.py. When to send it, and to whom,
is decided in `_callables.py`.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

RUNPOD_VERSION = "1.12.0"  # of the official library whose worker is imitated


class NotJSONError(ValueError):
    """A result that no JSON can carry: the official worker sends nothing at all then."""


def returned(value: Any) -> tuple[dict[str, Any], bool]:
    """Return what is sent for a handler's return value, and whether the worker is to be replaced.

    rp_job.py: `error` and `refresh_worker` are taken out of a dict, falsy or not, and an empty rest is not sent.
    """
    error = refresh = None
    output = value
    if isinstance(value, dict):
        fields: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        output = fields = fields.copy()
        error = fields.pop("error", None)
        refresh = fields.pop("refresh_worker", None)
    result: dict[str, Any] = {} if output == {} else {"output": output}
    if error:
        result["error"] = error
    return result, bool(refresh)


def raised(error: BaseException, worker_id: str) -> dict[str, Any]:
    """Return what is sent for a handler that raised: a JSON string."""
    info = {
        "error_type": str(type(error)),
        "error_message": str(error),
        "error_traceback": "".join(traceback.format_exception(error)),
        "hostname": f"{worker_id}-emulator",
        "worker_id": worker_id,
        "runpod_version": RUNPOD_VERSION,
    }
    return {"error": json.dumps(info)}


def generator_raised(error: BaseException) -> dict[str, Any]:
    """Return what is sent for a generator that raised."""
    trace = "".join(traceback.format_exception(error))
    return {"error": f"handler: {error!s} \ntraceback: {trace}"}


def yielded_error(value: Any) -> dict[str, Any] | None:
    """Return what is sent when a generator yields an error, which ends the job; None for anything else."""
    if isinstance(value, dict):
        fields: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        error = fields.get("error")
        if error:
            return {"error": str(error)}
    return None


def as_json(value: Any) -> Any:
    """Return `value` as the service gets it, so tuples are lists and keys are strings; nothing in it is shared.

    Raises:
        NotJSONError: it cannot be sent. (assumed: NaN and infinity are refused, as they are no JSON)
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJSONError(str(error)) from error
