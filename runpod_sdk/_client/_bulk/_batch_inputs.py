"""The inputs of one batch of a bulk run, by key: which input a result belongs to. Pure.

The service gives no key, index or echo of the input. So a result belongs to the input whose key the caller finds in its
output; where all but one have theirs, the one without an output is that of the input that is left. What is left beyond
that is told as it is: the inputs as results with an error that has the others.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from copy import copy
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic

from runpod_sdk._flows import _api, _batch_api
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._telemetry import way_back_to_batch
from runpod_sdk._values._arguments import checked_function, kind_of
from runpod_sdk._values._requests import HiddenOptions, SubmitOptions
from runpod_sdk._values._states import JobState, shorten
from runpod_sdk.errors import BatchResultError, OutputTypeError, SubmissionUnknownError

from ._map_inputs import refusal
from ._map_result import R

if TYPE_CHECKING:
    from datetime import datetime

    from runpod_sdk._values._batches import BatchResult, BatchState

    from ._map_inputs import Item
    from ._map_plan import Plan

KeyOf = Callable[[Any], Any]

_CONCURRENCY = 64  # the default of `map`: nobody asked for it
_NO_OPTIONS = HiddenOptions(SubmitOptions())


def checked_key_of(via: object, key_of: object, plan: Plan[Any]) -> KeyOf | None:
    """Return how a key is found in an output, where inputs go by batches; None where each is a job of its own.

    Raises:
        TypeError, ValueError: they do not, and it is given; or they do, and it is not, or what goes only with jobs.
    """
    if via == "jobs":
        checked_function("key_of", key_of)
        if key_of is not None:
            raise ValueError('key_of is given, but not via="batch": a job is known by its id')
        return None
    if via != "batch":
        raise ValueError(f'via={via!r}: "jobs" or "batch" expected')
    if key_of is None:
        raise ValueError(
            'via="batch" needs key_of: the service does not tell which input a result belongs to, so the worker has to '
            "return the input's key, and key_of(output) to find it there"
        )
    if not callable(key_of) or iscoroutinefunction(key_of):
        kind = kind_of(key_of) if not callable(key_of) else "a coroutine function"
        raise TypeError(f"key_of is {kind}: a plain function of an output expected")
    _refuse_of_jobs(plan)
    return key_of


def _refuse_of_jobs(plan: Plan[Any]) -> None:
    """Refuse what has no meaning, or none that is known, for the requests of a batch."""
    given = {
        "concurrency": plan.concurrency != _CONCURRENCY,
        "retries": plan.retries != 0,
        "journal": plan.journal is not None,
        "input_options": plan.input_options is not None,
        "stop": plan.stop is not None,
        "on_submit": plan.on_submit is not None,
    } | dict.fromkeys(plan.options.reveal(), True)
    for name, is_given in given.items():
        if is_given:
            raise ValueError(f'{name} does not go with via="batch": it is about jobs')


class BatchInputs(Generic[R]):
    """The inputs of one batch that have no result yet, by their keys.

    Args:
        plan: of the run.
        key_of: finds the key of its input in an output.
        known: the keys of all inputs of the run; those of these are added.

    Attributes:
        items: the inputs.
        strangers: results that are known to be of none of them.
    """

    def __init__(self, plan: Plan[R], key_of: KeyOf, known: set[Any]) -> None:
        self._plan = plan
        self._key_of = key_of
        self._known = known
        self._misfit: Exception | None = None
        self.items: dict[Any, Item] = {}
        self.strangers: list[BatchResult] = []

    def refused(self, item: Item) -> R | None:
        """Take an input in; return a result if it cannot be sent, or not be told from others."""
        try:
            if isinstance(item.input.reveal(), self._plan.handle):
                raise TypeError("the handle of a job is no input of a batch")  # noqa: TRY301
            if item.key in self._known:
                raise ValueError(f"another input of this run has the key {shorten(repr(item.key))}")  # noqa: TRY301
            _api.built(_batch_api.one, self._plan.endpoint_id, item.input, _NO_OPTIONS)
        except (TypeError, ValueError) as error:
            return self._result(item, error=refusal(self._plan.inputs.reveal(), item, error))
        self._known.add(item.key)
        self.items[item.key] = item
        return None

    def result(self, found: BatchResult) -> R | None:
        """Return the result of an input; None where nothing tells of which."""
        item = self._owner(found)
        if item is None:
            self.strangers.append(found)
            return None
        return self._of(item, found)

    def all_failed(self, error: Exception) -> list[R]:
        """Return a result for each input: nothing of the batch has run."""
        return [self._result(item, error=copy(error)) for item in self._emptied()]

    def all_unknown(self, batch_id: str, submitted_at: datetime, cause: Exception) -> list[R]:
        """Return a result for each input: nobody knows whether the batch was finalized."""
        items = self._emptied()
        return [self._result(item, error=self._unknown(item, batch_id, submitted_at, cause)) for item in items]

    def all_left(self) -> list[R]:
        """Return each input without an end: the run is closed."""
        return [self._result(item) for item in self._emptied()]

    def rest(self, batch: BatchState, error: Exception | None) -> list[R]:
        """Return the results of the inputs that are left once the batch is over; `error`: why it has not ended well."""
        items = self._emptied()
        if len(items) == len(self.strangers) == 1 and self.strangers[0].output is None:
            return [self._of(items[0], self.strangers.pop())]
        why = f"; {error}" if error is not None else ""
        if self._misfit is not None:
            why += f"; key_of raised {type(self._misfit).__name__}: {shorten(str(self._misfit))}"
        count = Counter(str(found.status) for found in self.strangers)
        others = ", ".join(f"{n} {status}" for status, n in count.items()) or "none"
        message = (
            f'batch {batch.id} on endpoint "{batch.endpoint_id}" is {batch.status}, and no result of it has the key of '
            f"this input; results without the key of any: {others}{why}"
        )
        return [self._result(item, error=self._unassigned(message, batch, error)) for item in items]

    def _unassigned(self, message: str, batch: BatchState, cause: Exception | None) -> BatchResultError:
        error = BatchResultError(message, batch=batch, results=tuple(self.strangers))
        error.__cause__ = cause or self._misfit
        return error

    def _unknown(self, item: Item, batch_id: str, at: datetime, cause: Exception) -> SubmissionUnknownError:
        endpoint_id = self._plan.endpoint_id
        sha256 = _api.built(_api.run, endpoint_id, item.input, _NO_OPTIONS).input_sha256
        error = SubmissionUnknownError(
            f'batch-finalize of {batch_id} on endpoint "{endpoint_id}": the outcome is unknown: the batch may run. '
            f"{way_back_to_batch(endpoint_id, batch_id)}.state() tells, once it is answered; it was not sent again "
            f"(sent {at:%Y-%m-%dT%H:%M:%SZ}, input sha256 {sha256[:16]}…)",
            operation="batch-finalize",
            endpoint_id=endpoint_id,
            input_sha256=sha256,
            submitted_at=at,
        )
        error.__cause__ = cause
        return error

    def _owner(self, found: BatchResult) -> Item | None:
        if found.output is None:
            return None
        handled = sys.exception()
        try:
            return self.items.pop(self._key_of(found.output), None)
        except Exception as error:  # whatever it makes of an output that it does not expect
            if raised_by_handler(error, handled) is not None:
                raise
            self._misfit = self._misfit or error
            return None

    def _of(self, item: Item, found: BatchResult) -> R:
        state = JobState(
            id=found.id,
            endpoint_id=self._plan.endpoint_id,
            status=found.status,
            output=found.output,
            error=found.error,
            raw=found.raw,
        )
        error: Exception | None = error_of(state)
        output: Any = None
        if error is None:
            read = self._plan.read
            try:
                output = state.output if read is None else read(state)
            except OutputTypeError as misfit:
                error = misfit
        return self._result(item, state=state, output=output, error=error)

    def _result(
        self, item: Item, *, state: JobState | None = None, output: Any = None, error: Exception | None = None
    ) -> R:
        given = item.input.reveal()
        return self._plan.result(
            key=item.key, index=item.index, input=given, job=None, state=state, output=output, error=error
        )

    def _emptied(self) -> list[Item]:
        items = list(self.items.values())
        self.items.clear()
        return items
