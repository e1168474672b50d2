"""The document that is installed with the package, other documents from files, and their forms as text."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ._references import InvalidDocumentError, object_in

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]


class MissingYamlError(ImportError):
    """PyYAML is not installed."""


def installed_text() -> str:
    """Return the document of this version as JSON, as it was released."""
    return files("runpod_sdk").joinpath("emulator", "openapi.json").read_text(encoding="utf-8")


def installed() -> Document:
    """Return the document of this version."""
    document: Document = json.loads(installed_text())
    return document


def document_from(path: Path) -> Document:
    """Read a document, JSON or YAML.

    Raises:
        OSError: the file cannot be read.
        InvalidDocumentError: it holds no object.
        RecursionError: it is nested too deeply.
        MissingYamlError: it is not JSON, and PyYAML is not installed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocumentError("not UTF-8") from error
    try:
        node = json.loads(text)
    except ValueError:
        node = _document_from_yaml(text)
    document = object_in(node)
    if document is None:
        raise InvalidDocumentError(f"an object expected, not {type(node).__name__}")
    return document


def yaml_from(document: Document) -> str:
    """Return a document as YAML, in its own order, with texts of several lines as blocks.

    Raises:
        MissingYamlError: PyYAML is not installed.
    """
    yaml = _yaml()

    class Dumper(yaml.SafeDumper):  # type: ignore[misc,name-defined]  # a class of a module that is found at run time
        def ignore_aliases(self, _: object) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


def _document_from_yaml(text: str) -> Any:
    yaml = _yaml()
    try:
        # YAML has more than JSON: statuses as numbers, and dates.
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InvalidDocumentError(f"neither JSON nor YAML: {reason}") from error
    except (TypeError, ValueError) as error:
        raise InvalidDocumentError(f"no JSON could hold it: {error}") from error


def _yaml() -> Any:
    try:
        import yaml  # noqa: PLC0415  only where YAML is asked for: an extra
    except ModuleNotFoundError:
        raise MissingYamlError("YAML needs PyYAML: pip install 'runpod-sdk[cli]'") from None
    return yaml
