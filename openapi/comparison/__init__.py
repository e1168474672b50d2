"""Compares two OpenAPI documents: what has changed, and whether it breaks clients that were made for the old one.

`compare` judges by rules, `names_changes` by what generators make of both, `gate` says what the version has to be.
"""

from ._changes import compare
from ._documents import document_from
from ._names import MissingToolError, names_changes
from ._references import InvalidDocumentError, resolved
from ._release import gate
from ._schemas import Change, Side

__all__ = [
    "Change",
    "InvalidDocumentError",
    "MissingToolError",
    "Side",
    "compare",
    "document_from",
    "gate",
    "names_changes",
    "resolved",
]
