"""The command `map`: a file of inputs, many jobs at once, a file of results; resumable after any interruption.

This file decides what is written of a result, what is said at the end, and what happens to an interrupted run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import IO, TYPE_CHECKING, Any, Literal

from runpod_sdk._values._words import counted
from runpod_sdk.cli._session import FAILED, UNKNOWN, BadCallError, add_endpoint, calling, checked, epilog, notes_of
from runpod_sdk.cli._shown import complain, one_line, put_json
from runpod_sdk.cli._submit import add_submit_options, seconds, submit_options

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from runpod_sdk import Endpoint, Map, MapResult, Stop
    from runpod_sdk._client._journal._rows import Again

    from ._inputs import Inputs
    from ._journal import OutputJournal
    from ._progress import Progress
    from ._shape import Input

_DESCRIPTION = """\
Runs a job for each line of a file, several at once, and appends a line to the
output as each ends. A line is {"input": {...}}, optionally with a "key" or an
"id", or just an input, which is identified by its content. So lines may be
added, removed and moved; equal ones are numbered.

Inputs are JSON lines, a JSON array, CSV or Parquet, in UTF-8 or UTF-16. The
output is .csv or .parquet by its name (both written when the run ends), or JSON
lines. A row of a table is an input; its columns become fields, and are copied
to the output. Cells of a CSV are text. --key-field and --input-field select
fields, of JSON lines, too.

A line of the output has: line, key, id, status, output or error, times, worker,
input_sha256 (of the input as JSON with sorted keys and no spaces) and endpoint;
an output file belongs to one endpoint. The status is the service's, or one of
  UNKNOWN      the submit got no answer: the job may run; not repeated
  UNSUBMITTED  refused, or not a valid input; the error says why
  EXPIRED      the service deleted the result before it was collected

Run the same command again after any end, even a kill: inputs with a result are
skipped, and jobs in flight are collected, not submitted again. Submits under
way at a kill are UNKNOWN. All this is in OUTPUT.journal; keep it beside the
output, and see `runpod-sdk journal --help`."""

_CODES = {
    0: "every input has a COMPLETED result",
    1: "some inputs do not, or were skipped",
    3: "a submit may or may not have arrived",
    130: "Ctrl-C; jobs go on, unless --on-abandon says otherwise",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    parser.add_argument("inputs", metavar="FILE", help="the inputs; - is standard input")
    parser.add_argument("--key-field", metavar="NAME", help="the field or column with the key of an input")
    parser.add_argument(
        "--input-field",
        action="append",
        default=[],
        metavar="NAME",
        help="a field or column that is sent; several are several fields of the input, one that holds an object is the "
        "input. NAME=COLUMN calls it otherwise, NAME:=COLUMN reads a text as JSON (a number, a list)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="where results are appended")
    parser.add_argument(
        "--concurrency",
        type=_window,
        default=64,
        metavar="N|auto",
        help="jobs in flight at once (64); auto finds a number",
    )
    parser.add_argument(
        "--retries", type=int, default=0, metavar="N", help="how often a failed job is retried, by /retry (0)"
    )
    parser.add_argument("--retry-failed", action="store_true", help="submit again what failed in an earlier run")
    parser.add_argument(
        "--resubmit-unknown", action="store_true", help="submit again what is UNKNOWN: it may run twice"
    )
    parser.add_argument(
        "--resubmit-renamed",
        action="store_true",
        help="submit again inputs that ran under other keys, which have disappeared, or from other fields",
    )
    parser.add_argument(
        "--on-abandon",
        choices=("detach", "cancel"),
        default="detach",
        help="what happens to jobs in flight at Ctrl-C: they go on and are collected by the next run (detach, the "
        "default), or are cancelled and submitted again by the next run",
    )
    parser.add_argument(
        "--price-per-second", type=float, metavar="PRICE", help="price of a worker, for an estimated cost"
    )
    parser.add_argument(
        "--progress",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="how often to print progress if standard error is not a terminal; 0: never (5)",
    )
    parser.add_argument("--json", action="store_true", help="the report of the run as one JSON object")
    _add_stop(parser.add_argument_group("stop", "stop submitting, and wait for the jobs in flight, as soon as"))
    add_submit_options(parser)


def _add_stop(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--stop-failures", type=int, metavar="N", help="this many results of this run failed")
    group.add_argument(
        "--stop-failure-share",
        type=float,
        metavar="SHARE",
        help="this share of them failed, from 0 to 1; checked from 20 on",
    )
    group.add_argument(
        "--stop-cost",
        type=float,
        metavar="COST",
        help="the run has cost so much at --price-per-second: by how many workers the endpoint's health shows, else by "
        "execution alone, which is less",
    )
    group.add_argument("--stop-after", type=seconds, metavar="TIME", help="this much time has passed: 90, 45m, 8h")


def _window(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number or auto expected") from None


def run(arguments: argparse.Namespace) -> int:
    """Run what has no result yet."""

    def act(endpoint: Endpoint) -> int:
        from runpod_sdk.errors import JournalError  # noqa: PLC0415  --help needs none of these

        from ._inputs import Inputs  # noqa: PLC0415
        from ._journal import OutputJournal, is_no_room  # noqa: PLC0415
        from ._shape import Shape, field_of  # noqa: PLC0415
        from ._sources import source_of  # noqa: PLC0415

        fields = [field_of(word) for word in arguments.input_field]
        _map_of(arguments, endpoint, [])  # refuses bad options before there is any file
        with ExitStack() as files:
            try:
                file = files.enter_context(_opened(arguments.inputs, arguments.output))
                source = source_of("standard input" if arguments.inputs == "-" else arguments.inputs, file)
                shape = Shape(arguments.key_field, fields, source.columns)
                journal = files.enter_context(closing(OutputJournal(arguments.output, endpoint, shape.form)))
            except OSError as error:
                if is_no_room(error):
                    raise
                raise BadCallError(f"{error.filename}: {error.strerror}") from None
            except JournalError as error:
                return _to_go_on(arguments, error, str(error))
            try:
                is_meant = arguments.resubmit_renamed
                return _run(arguments, endpoint, Inputs(source, shape, journal, is_meant=is_meant), journal)
            except JournalError as error:
                return _to_go_on(arguments, error, str(error))

    try:
        return calling(arguments, act)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _to_go_on(arguments, error, f"{error.filename or arguments.output}: {error.strerror}")


def _to_go_on(arguments: argparse.Namespace, error: BaseException, why: str) -> int:
    """Say what ended the run, and that nothing is lost."""
    print(*notes_of(arguments, error), sep="", end="", file=sys.stderr)
    complain(arguments.command, f"{why}; run it again to go on")
    return FAILED


def _run(arguments: argparse.Namespace, endpoint: Endpoint, inputs: Inputs, journal: OutputJournal) -> int:
    results = _map_of(arguments, endpoint, inputs, journal)
    ends: Counter[str] = Counter()
    with results:
        try:
            with closing(_shown(arguments, endpoint, inputs, journal)) as progress:
                if progress.is_shown:
                    results._book.on_notice = progress.notice  # noqa: SLF001  ours
                for result in results:
                    _take(result, inputs, journal, ends, progress)
        except BadCallError:  # of what is read of a pipe
            results.close()
            journal.finish(is_whole=False)
            _tell(arguments, results, inputs, ends, journal)
            raise
        except KeyboardInterrupt as interruption:
            results.close()  # again, should a second one have come meanwhile: now nothing is under way in here any more
            journal.finish(is_whole=False)
            _tell(arguments, results, inputs, ends, journal)
            goes_on = journal.under_way()
            interruption.add_note(
                f"{counted(goes_on, 'job goes', 'jobs go')} on. To resume, run the same command again"
            )
            raise
    ends += journal.finish(is_whole=inputs.stopped_by is None and results.report().stopped is None)
    _tell(arguments, results, inputs, ends, journal, is_over=True)
    return _code(inputs, ends + journal.skipped, results)


def _shown(arguments: argparse.Namespace, endpoint: Endpoint, inputs: Inputs, journal: OutputJournal) -> Progress:
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415  as above

    from ._progress import Progress  # noqa: PLC0415

    total = None
    if sys.stderr.isatty() or arguments.progress:
        with suppress(TypeError):
            total = len(inputs)
    title = f'map on endpoint "{endpoint.id}"'
    price, every = arguments.price_per_second, arguments.progress
    return Progress(title, total, price, every, SystemClock().monotonic, journal.skipped.total)


def _take(
    result: MapResult[Any], inputs: Inputs, journal: OutputJournal, ends: Counter[str], progress: Progress
) -> None:
    """Write a result down."""
    from ._records import REFUSED  # noqa: PLC0415  as above

    if journal.is_refused(result):
        _leave_out(result, inputs, journal)
        return
    status = journal.record(result)
    progress.add(result, status)
    ends[status] += 1
    inputs.note(result)
    if status == REFUSED:
        inputs.stopped_by = inputs.stopped_by or result.error


def _leave_out(result: MapResult[Any], inputs: Inputs, journal: OutputJournal) -> None:
    """Say why an input is none: mostly, as its key stands for another one."""
    given: Input = result.input
    why, other = str(result.error), journal.other(result)
    if other == "of an earlier run":
        why = "another input than the one that was run here before: keys tell inputs apart, or --output"
    elif other == "of this run" and given.key is not None:
        line = journal.line_of(given.key)
        where = "another line" if line is None else f"line {line}"
        why = f"the key {json.dumps(given.key)} stands on {where}, too"
    elif other == "under another key":
        why = why.replace('submit it once more with again={"renamed"}', "--resubmit-renamed submits it once more")
    inputs.leave_out(given.line, why)


def _map_of(
    arguments: argparse.Namespace, endpoint: Endpoint, inputs: Iterable[Any], journal: OutputJournal | None = None
) -> Map:
    words: dict[Again, bool] = {
        "failed": arguments.retry_failed,
        "expired": arguments.retry_failed,
        "unknown": arguments.resubmit_unknown,
        "renamed": arguments.resubmit_renamed,
    }
    again: list[Again] = [word for word, is_meant in words.items() if is_meant]
    with checked():
        return endpoint.map(
            inputs,
            concurrency=arguments.concurrency,
            retries=arguments.retries,
            on_abandon=arguments.on_abandon,
            journal=journal,
            again=again if journal is not None else (),
            stop=_stop_of(arguments),
            **submit_options(arguments),
        )


def _stop_of(arguments: argparse.Namespace) -> Stop | None:
    from runpod_sdk import Stop  # noqa: PLC0415  as above

    names = ("failures", "failure_share", "cost", "after")
    limits = {name: getattr(arguments, f"stop_{name}") for name in names}
    if limits["cost"] is not None:
        if arguments.price_per_second is None:
            raise BadCallError("--stop-cost needs --price-per-second")
        limits["price_per_second"] = arguments.price_per_second
    if all(limit is None for limit in limits.values()):
        return None
    try:
        return Stop(**limits)
    except ValueError as error:
        name, _, what = str(error).partition("=")
        raise BadCallError(f"--stop-{name.replace('_', '-')} {what}") from None


def _tell(
    arguments: argparse.Namespace,
    results: Map,
    inputs: Inputs,
    ends: Counter[str],
    journal: OutputJournal,
    *,
    is_over: bool = False,
) -> None:
    """Say what came of it: numbers, and what can be done about the rest; `is_over`: all inputs were read."""
    report = results.report(price_per_second=arguments.price_per_second)
    if arguments.json:
        facts = {"skipped": dict(journal.skipped), "collected": journal.collected, "left_out": inputs.bad}
        put_json({**asdict(report), **facts})
    lines = [str(report)] if report.results else []
    if journal.skipped:
        lines.append("done before: " + ", ".join(f"{count} {status}" for status, count in journal.skipped.items()))
    lines += _why(inputs, ends)
    all_ends = ends + journal.skipped
    again = sum(all_ends[status] for status in ("FAILED", "TIMED_OUT", "CANCELLED", "EXPIRED"))
    for count, one, many, what in (
        (again, "input", "inputs", "did not complete; to submit again: --retry-failed"),
        (
            all_ends["UNKNOWN"],
            "input is",
            "inputs are",
            "UNKNOWN and may have run; to submit again: --resubmit-unknown",
        ),
        (all_ends["UNSUBMITTED"], "input was", "inputs were", "not submitted; to go on: the same command"),
        (all_ends["UNFINISHED"], "job has", "jobs have", "no known end; to collect: the same command"),
        (inputs.bad, "line was", "lines were", "left out"),
    ):
        if count:
            lines.append(f"{counted(count, one, many)} {what}")
    if report.stopped is not None:
        lines += [*([] if report.results else [f"stopped: {report.stopped}"]), "the same command goes on with the rest"]
    elif inputs.stopped_by is not None:
        lines.append(f"stopped: {one_line(str(inputs.stopped_by))}")
    if is_over and not (lines or results.abandoned):
        lines.append("no inputs")
    for line in lines:
        print(line, file=sys.stderr)


def _why(inputs: Inputs, ends: Counter[str]) -> list[str]:
    """Return the error that most jobs have failed with, and what may help."""
    if not inputs.failures:
        return []
    ((error, count),) = inputs.failures.most_common(1)
    lines = [f"most frequent error, {count} of {ends['FAILED']} FAILED: {error}"]
    if inputs.number is not None and ends["FAILED"] == ends.total():
        name, column, _ = inputs.number
        option = f"--input-field {quote(f'{name}:={column}')}"
        lines.append(one_line(f"CSV cells are sent as strings; {option} sends the column {column} as a number"))
    return lines


def _code(inputs: Inputs, ends: Counter[str], results: Map) -> int:
    if ends["UNKNOWN"]:
        return UNKNOWN
    is_all = ends.total() == ends["COMPLETED"] and not inputs.bad and results.report().stopped is None
    return 0 if is_all else FAILED


def _opened(name: str, output: Path) -> AbstractContextManager[IO[bytes]]:
    """Open the inputs, and see that the output is another file."""
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    if output.exists() and (not output.is_file() or output.samefile(name)):
        raise BadCallError(f"--output {output}: a file expected, and not the one with the inputs")
    return Path(name).open("rb")
