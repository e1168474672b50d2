"""Reads a job's input from the command line: JSON, a file, standard input, or single fields."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk._values._bodies import OF_BODIES, unknown_in, wrapped

from ._session import BadCallError

if TYPE_CHECKING:
    import argparse

# How what a request body may hold beside the input is given here.
_BODY = {
    "webhook": "use --webhook",
    "policy": "use --execution-timeout, --ttl and --low-priority",
    "s3Config": "use --s3-config",
    "webhookV2": "take it out",
}

INPUT_HELP = """\
The input is a JSON object, made of
  KEY=VALUE    a text field:            prompt="a cat"  n=3 is the text "3"
  KEY:=JSON    a field of any type:     steps:=20  tags:='["a", "b"]'
on top of --input or --file; without any of these, it is read from standard
input. {"input": {...}} is unwrapped, and so is a worker's test, which has name,
timeout or expected_output beside "input"."""


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add all ways to give an input."""
    parser.add_argument("fields", nargs="*", metavar="FIELD", help="KEY=VALUE or KEY:=JSON")
    parser.set_defaults(more="fields")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--input", metavar="JSON", help="the input")
    given.add_argument("--file", type=Path, metavar="FILE", help="a file with the input; - is standard input")


def read_input(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the input that the arguments describe.

    Raises:
        BadCallError: they describe none.
    """
    fields = dict(_field(word) for word in arguments.fields)
    if arguments.input is not None:
        given = _object("--input", arguments.input)
    elif arguments.file is not None and str(arguments.file) != "-":
        try:
            given = _object(str(arguments.file), arguments.file.read_bytes())
        except OSError as error:
            raise BadCallError(f"--file {arguments.file}: {error.strerror}") from None
    elif arguments.file is not None or not (fields or is_terminal()):
        given = _object("standard input", b"" if sys.stdin is None else sys.stdin.buffer.read())
    elif fields:
        given = {}
    else:
        raise BadCallError("no input: give fields such as prompt=hello, --input, --file, or standard input")
    return {**given, **fields}


def is_terminal() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]  closed by <&-


def job_input(value: Any) -> dict[str, Any]:
    """Return the input of a job, out of a request body or bare.

    Raises:
        ValueError: it is no JSON object, or a body with more in it than can be taken from there.
    """
    if not isinstance(value, dict):
        raise ValueError("a JSON object expected")  # noqa: TRY004  not our caller's mistake
    facts = cast("dict[str, Any]", value)
    inner = wrapped(facts)
    if inner is None:
        return facts
    for name in sorted(facts.keys() & OF_BODIES):
        raise ValueError(f'"{name}" is not read from there: {_BODY[name]}')
    for name in sorted(unknown_in(facts)):
        raise ValueError(
            f'"{name}" is beside "input", and would not be sent: put it inside; '
            'an input that has a field "input" is itself written as {"input": {...}}'
        )
    return dict(inner)


def _object(source: str, text: str | bytes) -> dict[str, Any]:
    if not text.strip():
        raise BadCallError(f"no input: {source} is empty")
    try:
        return job_input(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadCallError(f"{source}: {error or type(error).__name__}") from None


def _field(word: str) -> tuple[str, Any]:
    name, is_field, value = word.partition("=")
    if not word.isascii() and word != word.encode(errors="ignore").decode():
        raise BadCallError(f"{word}: it is not valid text in this shell's encoding")
    if not is_field or not name.rstrip(":"):
        raise BadCallError(f"{word}: KEY=VALUE or KEY:=JSON expected")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except (ValueError, RecursionError):
        raise BadCallError(f"{word}: there is no JSON after := ; for a string, write {name[:-1]}={value}") from None
