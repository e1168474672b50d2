"""Documents from files, JSON or YAML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from ._references import InvalidDocumentError, object_in

if TYPE_CHECKING:
    from pathlib import Path


def document_from(path: Path) -> dict[str, Any]:
    """Read a document, JSON or YAML.

    Raises:
        OSError: the file cannot be read.
        InvalidDocumentError: it holds no object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocumentError("not UTF-8") from error
    try:
        node = _parsed(text)
    except RecursionError:
        raise InvalidDocumentError("nested too deeply") from None
    document = object_in(node)
    if document is None:
        raise InvalidDocumentError(f"an object expected, not {type(node).__name__}")
    return document


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        # YAML has more than JSON: statuses as numbers, and dates.
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InvalidDocumentError(f"neither JSON nor YAML: {reason}") from error
    except (TypeError, ValueError) as error:
        raise InvalidDocumentError(f"no JSON could hold it: {error}") from error
