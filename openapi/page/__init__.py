"""Writes the document as one HTML page, for the documentation's site."""

from ._page import page_from

__all__ = ["page_from"]
