"""The command `journal`: shows a bulk run's journal, and resolves its unknown submits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk._values._words import counted

from ._session import BAD_CALL, FAILED, UNKNOWN, BadCallError, checked
from ._shown import complain, put, put_json, put_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from runpod_sdk import Journal, JournalItem

_DESCRIPTION = """\
Inspects the journal of a bulk run: the FILE of endpoint.map(…, journal=FILE),
or OUTPUT.journal of the command map. A run may be using it.

  show FILE               the number of inputs by status
  unknowns FILE           inputs whose submit may have arrived, one per line
  resolve FILE KEY JOB    say which job an input became; the next run collects
                          it. JOB is its id, or - to read the body of its
                          webhook from standard input
  export FILE OUT         write all of it to a .jsonl, .csv or .parquet file"""

_EPILOG = """\
exit codes:
  0    done
  1    the journal could not be read or written
  2    bad arguments
  3    show, unknowns: a submit may or may not have arrived"""
_WORDS = {"show": 0, "unknowns": 0, "resolve": 2, "export": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.usage = "runpod-sdk journal [-h] [--json] VERB FILE [WORD ...]"
    parser.add_argument("verb", choices=tuple(_WORDS), metavar="VERB", help="what to do: see above")
    parser.add_argument("file", type=Path, metavar="FILE", help="the journal")
    parser.add_argument("words", nargs="*", metavar="WORD", help="what follows the file: see above")
    parser.add_argument("--json", action="store_true", help="numbers and inputs as objects, one on a line")
    parser.set_defaults(more="words")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from runpod_sdk import Journal, JournalError  # noqa: PLC0415  --help needs none of these

    if len(arguments.words) != _WORDS[arguments.verb]:
        complain(arguments.command, f"{arguments.verb}: {_WORDS[arguments.verb]} words expected after FILE: see --help")
        return BAD_CALL
    try:
        return _done(arguments, Journal(arguments.file))
    except BadCallError as error:
        complain(arguments.command, str(error))
        return BAD_CALL
    except JournalError as error:
        complain(arguments.command, str(error))
        return FAILED


def _done(arguments: argparse.Namespace, journal: Journal) -> int:
    match arguments.verb:
        case "show":
            return _show(journal, as_json=arguments.json)
        case "unknowns":
            return _unknowns(journal, as_json=arguments.json)
        case "resolve":
            return _resolve(journal, *arguments.words)
        case _:
            return _export(journal, arguments.words[0])


def _show(journal: Journal, *, as_json: bool) -> int:
    counts = journal.counts()
    if as_json:
        put_json(counts)
    elif counts:
        put_table([[status, str(count)] for status, count in counts.items()])
    return UNKNOWN if counts.get("UNKNOWN") else 0


def _unknowns(journal: Journal, *, as_json: bool) -> int:
    found = journal.unknowns()
    for item in found:
        if as_json:
            put_json({"key": item.key, "input_sha256": item.input_sha256, "submitted_at": _time(item)})
        else:
            put(f"{item.key}  {_time(item)}  {item.input_sha256}")
    return UNKNOWN if found else 0


def _time(item: JournalItem) -> str | None:
    return None if item.submitted_at is None else item.submitted_at.isoformat(timespec="milliseconds")


def _resolve(journal: Journal, key: str, job: str) -> int:
    told = sys.stdin.buffer.read() if job == "-" else job
    with checked():
        known = next((name for name in _names(key) if _is_there(journal, name)), key)
        is_new = journal.resolve(known, told)
    put("told" if is_new else "known before")
    return 0


def _names(key: str) -> Iterator[str | int]:
    """Return what a word may stand for: a text, or a whole number."""
    yield key
    if key.removeprefix("-").isdecimal():
        yield int(key)


def _is_there(journal: Journal, key: str | int) -> bool:
    return journal.item(key) is not None


def _export(journal: Journal, out: str) -> int:
    from runpod_sdk import JournalError  # noqa: PLC0415  as above

    try:
        with checked():
            count = journal.export(out)
    except OSError as error:
        raise JournalError(f"{out}: {error.strerror}", path=out) from error
    except ImportError as error:
        raise JournalError(str(error), path=out) from error
    put(counted(count, "input"))
    return 0
