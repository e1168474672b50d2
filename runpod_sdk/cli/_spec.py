"""The command `spec`: prints the OpenAPI document."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Prints the OpenAPI 3.1 document of the queue API, for tools and for
generators of clients in other languages.

  spec         as JSON, byte for byte as it is released
  spec --yaml  as YAML"""

_EXIT_CODES = """\
exit codes:
  0    printed
  2    bad arguments, or PyYAML missing
  130  Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON, as without this option")
    forms.add_argument("--yaml", action="store_true", help="print YAML (needs PyYAML)")


def run(arguments: argparse.Namespace) -> int:
    """Print the document in the form that was asked for, and return the exit code."""
    text = files("runpod_sdk").joinpath("emulator", "openapi.json").read_text(encoding="utf-8")
    if arguments.yaml:
        try:
            import yaml  # noqa: PLC0415  only where YAML is asked for: an extra
        except ModuleNotFoundError:
            print("YAML needs PyYAML: pip install 'runpod-sdk[cli]'", file=sys.stderr)
            return 2
        text = _yaml_from(json.loads(text), yaml)
    print(text, end="")
    return 0


def _yaml_from(document: dict[str, Any], yaml: Any) -> str:
    """Return a document as YAML, in its own order, with texts of several lines as blocks."""

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]  # a class of a module that is found at run time
        def ignore_aliases(self, _: object) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))
