"""Removes key, headers and input from answers that quote the request. Pure.

Edges and frameworks quote requests in their errors: a validation error holds the input, a debugging proxy the headers.
Such a text is shown all the same, as it says what is wrong; but what it shares with the request is cut out of it.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from ._hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._requests import Request

# What stands in the place of what is cut out.
CUT = "***"
# So many characters in a row that a text shares with a request are a quote of it; fewer come by chance. Ours.
_RUN = 12
# A run of that length holds a piece of half of it that begins at a multiple of that.
_PIECE = 6
# A value is known as such from this length on, characters, where it stands alone.
_VALUE_MIN = 4
# Secrets shorter than this are cut out as whole words only: they may be part of any.
_SECRET_MIN = 8
# Of a larger body only the beginning and the end are looked through, bytes: it takes a millisecond for each MiB, and
# for each piece of a text. Ours.
_HEAD, _TAIL = 2**20, 2**18
# Names of fields are no secrets: an error says by them what is wrong.
_NAME = re.compile(r'"[A-Za-z_][A-Za-z0-9_]{0,39}":')
_WORD = re.compile(r"[^\s\"'<>{}\[\],;:()=&?/\\]+")
_QUOTED = re.compile(r"\"([^\"\\]+)\"|'([^'\\]+)'")
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|(.))")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_OWN_HEADERS = frozenset({"accept", "accept-encoding", "content-type"})
_OWN_PARAMETERS = frozenset({"wait", "ttl"})


class _Unquotable(NamedTuple):
    """What there is to be found."""

    secrets: re.Pattern[str] | None
    texts: tuple[str, ...]


class Quotes:
    """Cuts quotes of a request, and of the key that it carries, out of texts."""

    __slots__ = ("_key", "_known", "_request")

    def __init__(self, key: Hidden[str], request: Request) -> None:
        self._key = key
        self._request = request
        self._known: Hidden[_Unquotable] | None = None  # 10 ms for each MiB of a body, for those that need it

    def cut(self, text: str) -> str:
        """Return a text without what it quotes, escaped or not."""
        if not text:
            return text
        if self._known is None:
            self._known = Hidden(_known(self._key.reveal(), self._request))
        known = self._known.reveal()
        for written in (text, unquote(text), html.unescape(text)):
            found = _without(written, known)
            if found != written:
                return found
        return text


def _known(key: str, request: Request) -> _Unquotable:
    content = (request.content.reveal() or b"").decode("ascii", "replace")
    if len(content) > _HEAD + _TAIL:
        content = content[:_HEAD] + "\0" + content[-_TAIL:]
    body = _NAME.sub(":", content)
    secrets = sorted({form for secret in _secrets(key, request, content) for form in _forms(secret)}, key=len)
    pattern = "|".join(map(_whole, reversed(secrets)))
    texts = ["\0".join(secrets), body]
    if "\\" in body:
        texts.append(_unescaped(body))
    return _Unquotable(re.compile(pattern, re.IGNORECASE) if pattern else None, tuple(texts))


def _secrets(key: str, request: Request, content: str) -> Iterator[str]:
    """Return what is always secret: the key, headers, parameters, and those of a webhook."""
    yield key
    for name, value in request.headers.reveal().items():
        if name.lower() not in _OWN_HEADERS:
            yield from (value, *value.split())
    for name, value in parse_qsl(urlsplit(request.path.reveal()).query):
        if name not in _OWN_PARAMETERS:
            yield value
    webhook = re.search(r'"webhook":"((?:[^"\\]|\\.)*)"', content)
    if webhook is not None:
        url = _unescaped(webhook[1])
        yield url
        yield from (value for _, value in parse_qsl(urlsplit(url).query))


def _forms(secret: str) -> Iterable[str]:
    """Return the forms in which a secret may be quoted."""
    if len(secret) < _VALUE_MIN and not re.search(r"[A-Za-z0-9]", secret):
        return ()
    return {secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret), json.dumps(secret)[1:-1]}


def _whole(secret: str) -> str:
    pattern = re.escape(secret)
    return pattern if len(secret) >= _SECRET_MIN else rf"(?<![\w-]){pattern}(?![\w-])"


def _unescaped(text: str) -> str:
    """Return a part of a JSON text with its characters instead of their escapes."""

    def plain(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else _PLAIN.get(found[2], found[2])

    text = _ESCAPE.sub(plain, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two halves are one character


def _without(text: str, known: _Unquotable) -> str:
    if known.secrets is not None:
        text = known.secrets.sub(CUT, text)
    text = _BASE64.sub(lambda found: CUT if _holds(found[0], known) else found[0], text)
    spans = sorted([*_runs(text, known.texts), *_values(text, known.texts[1:])])
    parts: list[str] = []
    end = 0
    for begin, until in spans:
        if begin >= end:
            parts += (text[end:begin], CUT)
        end = max(end, until)
    return "".join([*parts, text[end:]])


def _holds(word: str, known: _Unquotable) -> bool:
    """Whether a word is base64 of something that holds a quote, as a login in a header is."""
    bare = word.rstrip("=")
    if len(bare) % 4 == 1:  # cut off there
        bare = bare[:-1]
    try:
        decoded = b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_" if set("-_") & set(word) else None)
    except ValueError:
        return False
    text = decoded.decode("utf-8", "replace")
    return bool(known.secrets and known.secrets.search(text)) or any(True for _ in _runs(text, known.texts))


def _runs(text: str, texts: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Return where a text shares this many consecutive characters with one of the others."""
    for other in texts:
        at = 0
        while at + _PIECE <= len(text):
            run = _run_at(text, at, other) if text[at : at + _PIECE] in other else None
            if run is not None:
                yield run
                at = run[1] - run[1] % _PIECE
            at += _PIECE


def _run_at(text: str, at: int, other: str) -> tuple[int, int] | None:
    """Return the run that holds the piece there, if it is long enough."""
    for begin in range(max(0, at - _PIECE), at + 1):
        window = text[begin : begin + _RUN]
        place = other.find(window) if len(window) == _RUN else -1
        if place >= 0:
            until = begin + _RUN
            while until < len(text) and other[place + until - begin : place + until - begin + 1] == text[until]:
                until += 1
            return begin, until
    return None


def _values(text: str, texts: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Return where a whole value of the body stands alone: a text, however short, or a number."""
    for found in _QUOTED.finditer(text):
        value = found[1] or found[2]
        if len(value) >= _VALUE_MIN and _is_value(value, texts):
            yield found.start() + 1, found.end() - 1
    for found in _WORD.finditer(text):
        word = found[0].strip(".!…`*|")
        if len(word) >= _VALUE_MIN and _is_value(word, texts):
            begin = found.start() + found[0].index(word)
            yield begin, begin + len(word)


def _is_value(value: str, texts: tuple[str, ...]) -> bool:
    if any(f'"{form}"' in text for text in texts for form in (value, json.dumps(value)[1:-1])):
        return True
    number = rf"[:\[,]{re.escape(value)}[,\]}}]"
    return _NUMBER.fullmatch(value) is not None and any(re.search(number, text) for text in texts)
