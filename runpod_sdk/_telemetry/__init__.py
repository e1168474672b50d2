"""Logs, counters, spans, metrics, records of unknown submits, and notes on exceptions.

The names are in `_names.py`. What counts as a submit, or as a wait, is said by the table of operations. Nothing here
holds a key or an input, nor what a worker said, which may quote one.
"""

from ._log import LOG_VARIABLE, log_as_told, logger
from ._meter import Meter, OperationStats, log_misfit
from ._notes import (
    note_batch,
    note_cancel,
    note_cancel_failed,
    note_interrupted,
    note_retry,
    note_running,
    way_back,
    way_back_to_batch,
)
from ._spans import NO_SPAN, CallSpan, begun, span
from ._unknowns import Unknowns, UnknownSubmission

__all__ = [
    "LOG_VARIABLE",
    "NO_SPAN",
    "CallSpan",
    "Meter",
    "OperationStats",
    "UnknownSubmission",
    "Unknowns",
    "begun",
    "log_as_told",
    "log_misfit",
    "logger",
    "note_batch",
    "note_cancel",
    "note_cancel_failed",
    "note_interrupted",
    "note_retry",
    "note_running",
    "span",
    "way_back",
    "way_back_to_batch",
]
