"""Two documents read side by side: follows their references, and none of them twice.

What is compared, and what breaks, is decided elsewhere.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

# Components that have a name of their own, and how a reader is told of one.
KINDS = {
    "schemas": "schema",
    "parameters": "parameter",
    "requestBodies": "body",
    "responses": "answer",
    "headers": "header",
    "callbacks": "callback",
    "pathItems": "path item",
}


class InvalidDocumentError(ValueError):
    """The text is no OpenAPI document that can be compared; says why."""


class Place(NamedTuple):
    """One thing in both documents, and how a reader is told where it stands."""

    where: str
    old: Any
    new: Any


class Pair:
    """Two documents, and which pairs of references in them have been followed."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.old = old
        self.new = new
        self._followed: set[tuple[str, str, str]] = set()

    def follow(self, place: Place, *, of: str) -> Place | None:
        """Return the place with references replaced by what they name, or None if that was seen before.

        Where both sides refer to the same name, the place is called by it: a change there is told once, not for
        each operation that refers to it.

        Args:
            place: what may be a reference on either side.
            of: in which sense it is read; each sense is followed once.

        Raises:
            InvalidDocumentError: a reference names nothing in its document.
        """
        names = name_of(place.old), name_of(place.new)
        if names == (None, None):
            return place
        key = of, json.dumps(place.old, sort_keys=True), json.dumps(place.new, sort_keys=True)
        if key in self._followed:
            return None
        self._followed.add(key)
        where = _shown(names[0]) if names[0] is not None and names[0] == names[1] else place.where
        return Place(where, resolved(self.old, place.old), resolved(self.new, place.new))


def object_in(node: Any) -> dict[str, Any] | None:
    """Return a JSON object as what it is, and None for any other JSON."""
    return cast("dict[str, Any]", node) if isinstance(node, dict) else None


def resolved(document: dict[str, Any], node: Any) -> Any:
    """Return what a node means, with what stands beside a reference laid over it.

    Raises:
        InvalidDocumentError: a reference leaves the document, names nothing, or leads back to itself.
    """
    seen: set[str] = set()
    while (name := name_of(node)) is not None:
        if name in seen:
            raise InvalidDocumentError(f"$ref {name!r} leads back to itself")
        seen.add(name)
        beside = {key: value for key, value in (object_in(node) or {}).items() if key != "$ref"}
        node = _target(document, name)
        target = object_in(node)
        if beside and target is not None:
            node = {**target, **beside}
    return node


def name_of(node: Any) -> str | None:
    """Return what a node refers to, if it is a reference."""
    name = (object_in(node) or {}).get("$ref")
    return name if isinstance(name, str) else None


def _target(document: dict[str, Any], name: str) -> Any:
    if not name.startswith("#/"):
        raise InvalidDocumentError(f"$ref {name!r}: only references within the document are followed")
    node: Any = document
    for part in name[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        inside = object_in(node)
        if inside is None or key not in inside:
            raise InvalidDocumentError(f"$ref {name!r} names nothing in the document")
        node = inside[key]
    return node


def _shown(name: str) -> str:
    """Return '#/components/schemas/Job' as 'schema Job'."""
    *_, kind, last = name.split("/")
    return f"{KINDS.get(kind, kind)} {last}"
