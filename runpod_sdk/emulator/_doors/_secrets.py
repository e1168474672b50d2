"""Masks secrets in what the console shows: values by their names, and the same values in other places. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "•••"
_NAMES = (
    r"key(?!s?_?(?:word|frame|point|board|note))|token(?!iz)|secret|passw|credential|authorization|signature|cookie"
    r"|access_?id"
)
# Names whose values are for nobody's eyes; s3Config holds keys as a whole.
_SECRET = re.compile(rf"(?i){_NAMES}|s3config")
_COUNTED = re.compile(r"(?i)tokens|key_?count|keys$")  # numbers of these are no secrets: max_tokens
# In text: what stands behind such a name, in a query, a header, JSON or a repr; a login in a URL; a bearer token.
_IN_TEXT = re.compile(
    rf"""(?ix)
    (?P<name>
      (?:{_NAMES}) [\w.-]{{0,40}}+ \\?["']? \s{{0,4}} [=:] \s{{0,4}} (?:\\?["'])? (?: (?:bearer|basic) \s{{1,4}} )?
    )
    (?! \d+ (?:[^\w]|$) ) [^\s"'\\&,;)}}\]]{{6,}}
  | (?P<login> ://[^\s/:@]{{0,99}}: ) [^\s/@]{{1,999}} (?=@)
  | (?P<bearer> bearer \s{{1,4}} ) [\w.~+/=-]{{8,}}
    """
)
# What each of these begins with: they are looked for first, as that is a hundred times as fast.
_BEGINNINGS = (
    *("key", "token", "secret", "passw", "credential", "authorization", "signature", "cookie", "access_id", "accessid"),
    *("://", "bearer"),
)
_LEAST = 6  # characters of a value that is looked for elsewhere: shorter ones are words; ours
_TOO_DEEP = "nested too deeply to be shown"
_KEPT = 200  # values that are looked for, the latest; ours
_S3_SECRETS = ("accessId", "accessSecret")


def masked(value: Any) -> Any:
    """Return JSON without the values of what is called like a secret."""
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, list):
        return [masked(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: MASK if _is_secret(name, each) else masked(each) for name, each in items}
    return value


class Secrets:
    """Values that stood under the names of secrets, so that nobody sees them where a worker prints them."""

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def note(self, job_input: Any, extras: Mapping[str, Any]) -> None:
        """Take in what was submitted."""
        try:
            found = _secrets_in(job_input)
        except RecursionError:
            return  # nothing of it is shown either
        s3_config = extras.get("s3Config")
        if isinstance(s3_config, dict):
            fields = cast("dict[str, Any]", s3_config)
            found += _texts(fields[name] for name in _S3_SECRETS if name in fields)
        new = [text for text in found if len(text) >= _LEAST and text not in self._values]
        if new:
            self._values.update(dict.fromkeys(new))
            for old in list(self._values)[:-_KEPT]:
                del self._values[old]
            # The longest first: one may begin with another.
            parts = (re.escape(text) for text in sorted(self._values, key=len, reverse=True))
            self._pattern = re.compile("|".join(parts))

    def hidden(self, value: Any) -> Any:
        """Return JSON, masked, and without these values."""
        try:
            return self._without(masked(value))
        except RecursionError:
            return _TOO_DEEP

    def _without(self, value: Any) -> Any:
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(MASK, value)
        if isinstance(value, list):
            return [self._without(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, dict):
            return {name: self._without(each) for name, each in cast("dict[str, Any]", value).items()}
        return value


def _is_secret(name: str, value: Any) -> bool:
    if value is None or not _SECRET.search(name):
        return False
    return not (isinstance(value, int | float) and _COUNTED.search(name))


def _masked_text(text: str) -> str:
    parts: list[str] = []
    done = 0
    for start in _beginnings_in(text):
        found = _IN_TEXT.match(text, start) if start >= done else None
        if found is not None:
            parts += [text[done:start], found["name"] or found["login"] or found["bearer"], MASK]
            done = found.end()
    return "".join([*parts, text[done:]]) if parts else text


def _beginnings_in(text: str) -> list[int]:
    lowered = text.lower()
    if len(lowered) != len(text):  # some letters become two
        lowered = "".join(each if len(each) == 1 else "?" for each in map(str.lower, text))
    found: list[int] = []
    for word in _BEGINNINGS:
        at = lowered.find(word)
        while at >= 0:
            found.append(at)
            at = lowered.find(word, at + len(word))
    return sorted(found)


def _secrets_in(value: Any) -> list[str]:
    """Return the texts that stand under the name of a secret."""
    if isinstance(value, list):
        return [text for each in value for text in _secrets_in(each)]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for name, each in cast("dict[str, Any]", value).items():
        found += _texts([each]) if _is_secret(name, each) else _secrets_in(each)
    return found


def _texts(values: Iterable[Any]) -> list[str]:
    """Return all texts in JSON."""
    found: list[str] = []
    for each in values:
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, list):
            found += _texts(each)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(each, dict):
            found += _texts(cast("dict[str, Any]", each).values())
    return found
