"""Builds results exactly as the official worker library does. Pure.

Source of every rule: runpod-python 1.12.0, serverless/modules/rp_job.py and rp_http.py. Its log lines are among the
rules: they format what handlers return and raise, so that a `__str__` that raises changes what happens to a job. Where
a function here raises what it got from a user's value, the official library fails there, too; what then becomes of the
job is said with each.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

RUNPOD_VERSION = "1.12.0"  # of the official library whose worker is imitated


class NotJSONError(ValueError):
    """A value that the official library cannot send.

    Attributes:
        is_caught: the official library logs it, and goes on without; else it gives up the job.
    """

    def __init__(self, why: str, *, is_caught: bool) -> None:
        super().__init__(why)
        self.is_caught = is_caught


def shown(value: Any) -> str:
    """Return a value as the official log shows it, for what that raises."""
    return f"{value}"


def returned(value: Any) -> dict[str, Any]:
    """Return what is sent for a handler's return value; what it raises counts as raised by the handler.

    rp_job.py, run_job: `error` and `refresh_worker` are taken out of a dict, falsy or not, and an empty rest is not
    sent.
    """
    shown(value)  # log.debug(f"Handler output: {job_output}")
    result: dict[str, Any] = {"output": value}
    if isinstance(value, dict):
        fields: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        error, refresh = fields.pop("error", None), fields.pop("refresh_worker", None)
        if error:
            result["error"] = error
        if refresh:
            result["stopPod"] = True
    if result["output"] == {}:
        del result["output"]
    return result


def raised(error: Exception, worker_id: str, hostname: str, logs: str = "") -> dict[str, Any]:
    """Return what is sent for a handler that raised: a JSON string. If `str(error)` raises, nothing is sent.

    `logs`: what it has printed.  # runpod-python 2.0.0rc2 rp_job.py:300
    """
    info = {
        "error_type": str(type(error)),
        "error_message": str(error),
        "error_traceback": "".join(traceback.format_exception(error)),
        "hostname": hostname,
        "worker_id": worker_id,
        "runpod_version": RUNPOD_VERSION,
    }
    if logs:
        info["logs"] = logs
    return {"error": json.dumps(info)}


def check_id(job: dict[str, Any], job_id: str) -> None:
    """Refuse to send anything for a job in which its handler has changed the id; it is sent under the id that is there.

    rp_http.py, _handle_result: session.headers["X-Request-ID"] = job["id"]

    Raises:
        KeyError: it has none any more.
        NotJSONError: it has another.
    """
    if job["id"] != job_id:
        raise NotJSONError("its handler has put another id into its job", is_caught=True)


def chunk(value: Any) -> dict[str, Any]:
    """Return what is sent for what a generator yields; what it raises counts as raised by the generator."""
    shown(value)  # rp_job.py, run_job_generator: log.debug(f"Generator output: {output_partial}")
    return {"output": value}


def generator_raised(error: Exception, logs: str = "") -> dict[str, Any]:
    """Return what is sent for a generator that raised. If `str(error)` raises, nothing is sent.

    `logs`: what it has printed.  # runpod-python 2.0.0rc2 rp_job.py:343
    """
    trace = "".join(traceback.format_exception(error))
    printed = f"\nlogs:\n{logs}" if logs else ""
    return {"error": f"handler: {error!s} \ntraceback: {trace}{printed}"}


def ending(sent: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result, if a chunk or what a generator raised ends the job. If it raises, nothing is sent.

    rp_job.py, handle_job: an error that is yielded ends the job, and what else was yielded with it is not sent.
    """
    shown(sent)  # log.debug(f"Stream output: {stream_output}")
    output = sent.get("output")
    if isinstance(output, dict):
        fields: dict[Any, Any] = output  # pyright: ignore[reportUnknownVariableType]
        if fields.get("error"):
            return {"error": str(fields["error"])}
    return sent if sent.get("error") else None


def encoded(value: Any, *, ascii_only: bool = False) -> bytes:
    """Return the bytes of a body, as the official library writes them: NaN and infinity, too, are written.

    Args:
        value: what is sent.
        ascii_only: escape what is not ASCII; the official library does not.

    Raises:
        NotJSONError: it cannot be written: no JSON type, a cycle, too deep, an integer of too many digits, a lone
            surrogate, or a value whose own methods raise.
    """
    try:
        return json.dumps(value, ensure_ascii=ascii_only).encode()
    except Exception as error:
        # rp_http.py, _handle_result: except (TypeError, RuntimeError)
        raise NotJSONError(what(error), is_caught=isinstance(error, TypeError | RuntimeError)) from error


def what(error: BaseException) -> str:
    """Return an error in a line, whatever its own methods do."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  user code: it may raise anything
        return type(error).__name__
