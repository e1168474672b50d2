"""Images in an output: found at any depth, shown in a notebook or written to a file on request.

What is a picture decides its first bytes, not what it is called: PNG, JPEG or WebP. Only a URL has no bytes; there its
name decides. Nothing is fetched.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

# The largest picture that is decoded, bytes; as large as the largest output. Ours.
IMAGE_MAX = 20 * 1024 * 1024
# How many pictures one cell of a notebook shows. Ours.
SHOWN_MAX = 24
_URL_MAX = 8192
_SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_PLAIN = {ord("-"): "+", ord("_"): "/", ord("\r"): None, ord("\n"): None}
# No picture is smaller, bytes; many a word begins like base64 text. Ours.
_LEAST = 32
# How the base64 text of PNG, JPEG and RIFF begins, in both alphabets.
_BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "_9j_", "UklGR")
_DATA_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w=.-]+)*;base64,", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputImage:
    """A picture in an output. A notebook shows it where it has its bytes; nothing is fetched, or written by itself.

    Attributes:
        path: where it stands, as in Python: "output.images[0]".
        mime: "image/png", "image/jpeg" or "image/webp".
        data: its bytes; None for a URL.
        url: where it is; None if it came with the output.
    """

    path: str
    mime: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, over what was there, and return its path.

        Raises:
            ValueError: it is a URL, which is yours to fetch.
            OSError: the file cannot be written.
        """
        if self.data is None:
            raise ValueError(f"{self.path} is a URL, and the SDK downloads nothing: fetch image.url yourself")
        file = Path(path)
        file.write_bytes(self.data)
        return file

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": repr(self), "text/html": _figure(self)}
        if self.data is not None and self.mime != "image/webp":  # which not every notebook shows by itself
            del bundle["text/html"]
            bundle[self.mime] = base64.b64encode(self.data).decode()
        return bundle

    def __repr__(self) -> str:
        where = f"url={_shown(self.url)!r}" if self.data is None and self.url else f"{len(self.data or b''):,} bytes"
        return f"OutputImage(path={self.path!r}, mime={self.mime!r}, {where})"


class OutputImages(tuple[OutputImage, ...]):
    """The pictures of an output, in its order; a notebook shows them."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        more = f"<div>and {len(self) - SHOWN_MAX} more</div>" if len(self) > SHOWN_MAX else ""
        return "".join(_figure(image) for image in self[:SHOWN_MAX]) + more if self else "<div>no images</div>"


def images_in(output: object) -> OutputImages:
    """Find the pictures in a JSON value: base64 text, data URLs, and web addresses that end like a picture's name."""
    return OutputImages(_found(output))


def mime_of(data: bytes) -> str | None:
    """Tell the kind of a picture by its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _found(output: object) -> Iterator[OutputImage]:
    left: list[tuple[str, object]] = [("output", output)]
    while left:
        path, value = left.pop()
        if isinstance(value, str):
            image = _image(path, value)
            if image is not None:
                yield image
        elif isinstance(value, dict):
            entries = cast("dict[Any, object]", value).items()
            left += [(_step(path, key), one) for key, one in reversed(entries)]
        elif isinstance(value, list | tuple):
            items = list(enumerate(cast("list[object]", value)))
            left += [(f"{path}[{at}]", one) for at, one in reversed(items)]


def _step(path: str, key: object) -> str:
    return f"{path}.{key}" if str(key).isidentifier() else f"{path}[{str(key)!r}]"


def _image(path: str, text: str) -> OutputImage | None:
    if text.startswith(("http://", "https://")):
        mime = _mime_of_url(text)
        return None if mime is None else OutputImage(path=path, mime=mime, url=text)
    header = _DATA_URL.match(text)
    encoded_at = header.end() if header else 0
    if not text.startswith(_BASE64_STARTS, encoded_at) or len(text) - encoded_at > IMAGE_MAX * 3 // 2:
        return None
    data = _decoded(text[encoded_at:])
    mime = mime_of(data) if _LEAST <= len(data) <= IMAGE_MAX else None
    return None if mime is None else OutputImage(path=path, mime=mime, data=data)


def _decoded(text: str) -> bytes:
    """Decode either alphabet, with or without padding and line breaks; nothing comes of anything else."""
    try:
        plain = text.translate(_PLAIN).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _mime_of_url(url: str) -> str | None:
    if len(url) > _URL_MAX or any(character.isspace() for character in url):
        return None
    try:
        name = urlsplit(url).path.lower()
    except ValueError:
        return None
    return next((mime for suffix, mime in _SUFFIXES.items() if name.endswith(suffix)), None)


def _shown(url: str) -> str:
    """Return a URL without its query, which may be a signature."""
    return url.partition("?")[0][:200]


def _figure(image: OutputImage) -> str:
    caption = escape(image.path[:200])
    if image.data is None:
        link = f'<a href="{escape(image.url or "")}" rel="noreferrer noopener">{escape(_shown(image.url or ""))}</a>'
        return f"<div>{caption}: {link}</div>"
    source = f"data:{image.mime};base64,{base64.b64encode(image.data).decode()}"
    return (
        f'<figure><img src="{source}" alt="{caption}" style="max-width:512px">'
        f"<figcaption>{caption}, {len(image.data):,} bytes</figcaption></figure>"
    )
