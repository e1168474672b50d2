"""The command `batch`: many requests in one batch, from draft to result file.

This file decides which verb takes what, and what each prints. How results get into a file: `_results.py`.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpod_sdk.cli._session import BadCallError, add_endpoint, calling, checked, epilog
from runpod_sdk.cli._shown import put, put_json, put_table
from runpod_sdk.cli._submit import seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from runpod_sdk import Batch, BatchState, Endpoint
    from runpod_sdk.cli._map._shape import Shape

_DESCRIPTION = """\
Many requests in one batch (in beta at the service): processed when there is
capacity, for less money, at no promised time.

  submit ENDPOINT FILE           create a batch and start it; print its id
  create ENDPOINT                create a draft; nothing runs yet; print its id
  add ENDPOINT BATCH FILE        add requests to a draft
  delete ENDPOINT BATCH REQUEST  remove a request from a draft
  update ENDPOINT BATCH NAME     give a batch a name
  finalize ENDPOINT BATCH        start a draft
  list ENDPOINT                  all batches, the newest first
  status ENDPOINT BATCH          how many requests there are, done and failed
  requests ENDPOINT BATCH        the id and status of each request
  results ENDPOINT BATCH         write results to --output FILE as they arrive,
                                 and wait for all; --timeout 0: do not wait
  cancel ENDPOINT BATCH          cancel what is queued; the rest goes on

FILE has the inputs, 5000 at most, in any format that map reads: JSON lines,
each {"input": {...}} or just an input, a JSON array, CSV or Parquet; - is
standard input. A "key" is not sent, and a result does not say which input it
belongs to: put it into the input, and let your worker return it.

A line of the output: batch, id, status, output or error, and times.
Run results again after any end: requests already in the output are skipped."""

_CODES = {
    0: "done; results: all requests are COMPLETED",
    1: "a request failed; results: some are not COMPLETED, or the batch is not",
    124: "results: the --timeout passed first; the batch goes on",
}
# By verb: how many words follow the endpoint.
_WORDS = {
    "submit": 1,
    "create": 0,
    "add": 2,
    "delete": 2,
    "update": 2,
    "finalize": 1,
    "list": 0,
    "status": 1,
    "requests": 1,
    "results": 1,
    "cancel": 1,
}
_STATE = ("id", "status", "total", "in_progress", "completed", "failed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    parser.usage = "runpod-sdk batch [-h] [OPTION ...] VERB ENDPOINT [WORD ...]"
    parser.add_argument("verb", choices=tuple(_WORDS), metavar="VERB", help="what to do: see above")
    add_endpoint(parser)
    parser.add_argument("words", nargs="*", metavar="WORD", help="what follows the endpoint: see above")
    parser.add_argument(
        "--input-field",
        action="append",
        default=[],
        metavar="NAME",
        help="submit, add: a field or column that is sent, as for map",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="results: where they are appended")
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="submit, add, results: 90, 30s, 5m")
    parser.add_argument("--json", action="store_true", help="batches as objects, one on a line")
    parser.set_defaults(more="words")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""

    def act(endpoint: Endpoint) -> int:
        verb: str = arguments.verb
        if len(arguments.words) != _WORDS[verb]:
            raise BadCallError(f"{verb}: {_WORDS[verb]} words expected after ENDPOINT: see --help")
        if (arguments.output is not None) is not (verb == "results"):
            raise BadCallError(f"{verb}: --output FILE {'is missing' if verb == 'results' else 'is for results'}")
        if arguments.input_field and verb not in ("submit", "add"):
            raise BadCallError(f"{verb}: --input-field is for submit and add")
        if arguments.timeout is not None and verb not in ("submit", "add", "results"):
            raise BadCallError(f"{verb}: --timeout is for submit, add and results")
        return _VERBS[verb](arguments, endpoint)

    return calling(arguments, act)


def _submit(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    inputs = _inputs(arguments, arguments.words[0])
    with checked():
        batch = endpoint.batches.submit(inputs, timeout=arguments.timeout)
    _put_made(arguments, batch)
    return 0


def _create(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    _put_made(arguments, endpoint.batches.create())
    return 0


def _add(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    batch, inputs = _batch(arguments, endpoint), _inputs(arguments, arguments.words[1])
    with checked():
        batch.add(inputs, timeout=arguments.timeout)
    return 0


def _delete(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    batch = _batch(arguments, endpoint)
    with checked():
        batch.remove(arguments.words[1])
    return 0


def _update(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    _batch(arguments, endpoint).update({"name": arguments.words[1]})
    return 0


def _finalize(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    _put_states(arguments, [_batch(arguments, endpoint).finalize()])
    return 0


def _list(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    _put_states(arguments, list(endpoint.batches.list()))
    return 0


def _status(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    _put_states(arguments, [_batch(arguments, endpoint).state()])
    return 0


def _requests(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    batch, shown, has_more = _batch(arguments, endpoint), 0, True
    while has_more:
        page = batch.page(shown)
        for request in page.results:
            if arguments.json:
                put_json({"id": request.id, "status": str(request.status)})
            else:
                put(f"{request.id}  {request.status}")
        shown, has_more = shown + len(page.results), page.has_more
    return 0


def _results(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    from ._results import collected  # noqa: PLC0415  --help needs none of these

    return collected(_batch(arguments, endpoint), arguments.output, arguments.timeout)


def _cancel(arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    _put_states(arguments, [_batch(arguments, endpoint).cancel()])
    return 0


_VERBS: dict[str, Callable[[argparse.Namespace, Endpoint], int]] = {
    "submit": _submit,
    "create": _create,
    "add": _add,
    "delete": _delete,
    "update": _update,
    "finalize": _finalize,
    "list": _list,
    "status": _status,
    "requests": _requests,
    "results": _results,
    "cancel": _cancel,
}


def _batch(arguments: argparse.Namespace, endpoint: Endpoint) -> Batch:
    with checked():
        return endpoint.batches.batch(arguments.words[0])


def _inputs(arguments: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """Read a file of inputs, all of it before anything is sent: a batch is one thing."""
    from runpod_sdk._values._batches import BATCH_REQUESTS_MAX  # noqa: PLC0415  --help needs none of these
    from runpod_sdk.cli._map._shape import Shape, field_of  # noqa: PLC0415
    from runpod_sdk.cli._map._sources import source_of  # noqa: PLC0415

    fields = [field_of(word) for word in arguments.input_field]
    found: list[dict[str, Any]] = []
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            source = source_of("standard input" if name == "-" else name, file)
            shape = Shape(None, fields, source.columns)
            for number, record in source:
                found.append(_input(shape, number, record))
                if len(found) > BATCH_REQUESTS_MAX:
                    raise BadCallError(f"{name}: more than {BATCH_REQUESTS_MAX} inputs: make several batches")
    except OSError as error:
        raise BadCallError(f"{name}: {error.strerror}") from None
    if not found:
        raise BadCallError(f"{name}: no inputs")
    return found


def _input(shape: Shape, number: int, record: Any) -> dict[str, Any]:
    try:
        if isinstance(record, Exception):
            raise record
        return {**shape.input_of(number, record)}
    except (ValueError, RecursionError) as error:
        raise BadCallError(f"line {number}: {error or type(error).__name__}; nothing was sent") from None


def _put_made(arguments: argparse.Namespace, batch: Batch) -> None:
    if arguments.json:
        put_json({"id": batch.id})  # no look, which might fail: it is made
    else:
        put(batch.id)


def _put_states(arguments: argparse.Namespace, states: list[BatchState]) -> None:
    for state in states if arguments.json else ():
        put_json({name: getattr(state, name) for name in _STATE})
    if states and not arguments.json:
        put_table([_row(state) for state in states])


def _row(state: BatchState) -> list[str]:
    total = "?" if state.total is None else state.total
    return [state.id, state.status, f"{state.completed} of {total} completed, {state.failed} failed"]
