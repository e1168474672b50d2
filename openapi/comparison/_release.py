"""What the version of a document has to be, given what was released before it.

Versions are those of Semantic Versioning. A document that differs from a released one has another version, and a later
one; what breaks clients of the last release needs a new major version, and before 1.0.0 a new minor one. A release is
final unless its version says otherwise: what only a pre-release had may still be changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import TYPE_CHECKING, Any

from ._documents import document_from
from ._references import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ._schemas import Change

Document = dict[str, Any]

_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version, ordered as Semantic Versioning orders them; what follows a `+` does not count."""

    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[Any, ...]:
        """A final version comes after its pre-releases, numbers before words."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return self.numbers, not self.pre, parts

    def may_break(self, since: Version) -> bool:
        """Whether this version may break clients of `since`."""
        major, minor, _ = self.numbers
        was_major, was_minor, _ = since.numbers
        if since.pre and self.numbers == since.numbers:
            return True
        return major > was_major or (major == was_major == 0 and minor > was_minor)


def version_of(document: Document) -> Version:
    """Return the version of a document.

    Raises:
        InvalidDocumentError: it has none, or one that is not of Semantic Versioning.
    """
    stated = document.get("info", {}).get("version")
    found = _VERSION.fullmatch(stated) if isinstance(stated, str) else None
    if found is None:
        raise InvalidDocumentError(f"info.version is {stated!r}, and no version such as 1.2.3 or 1.2.3-rc.1")
    major, minor, patch = (int(found[number]) for number in (1, 2, 3))
    return Version((major, minor, patch), tuple(found[4].split(".")) if found[4] else ())


def gate(
    document: Document, released: Path, changes_between: Callable[[Document, Document], list[Change]]
) -> tuple[list[Change], list[str]]:
    """Return what has changed since the last release, and what forbids to release the document as it is.

    Args:
        document: what is to be released.
        released: the folder with all that was, as `*.openapi.json`.
        changes_between: how two documents are compared.

    Raises:
        InvalidDocumentError: one of them is no document.
    """
    before, problems = _released(released)
    if not before:
        return [], problems
    version = version_of(document)
    if version in before and before[version] != document:
        problems.append(f"{_text(version)} is released already, with other contents: info.version has to be another")
    if version < max(before):
        problems.append(f"{_text(version)} is older than what was released, {_text(max(before))}")
    last = max((known for known in before if not known.pre), default=max(before))
    changes = changes_between(before[last], document)
    breaking = sum(change.is_breaking for change in changes)
    if breaking and not version.may_break(last):
        part = "major" if last.numbers[0] else "minor"
        problems.append(f"{breaking} of the changes since {_text(last)} break clients: that needs a new {part} version")
    return changes, problems


def _released(folder: Path) -> tuple[dict[Version, Document], list[str]]:
    found: dict[Version, Document] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.openapi.json")):
        document = document_from(path)
        version = version_of(document)
        if version in found:
            problems.append(f"{path.name}: {_text(version)} is there twice")
        if not path.name.endswith(f"-{document['info']['version']}.openapi.json"):
            problems.append(f"{path.name}: holds {document['info']['version']}")
        found[version] = document
    return found, problems


def _text(version: Version) -> str:
    numbers = ".".join(map(str, version.numbers))
    return f"{numbers}-{'.'.join(version.pre)}" if version.pre else numbers
