"""What has changed between two schemas, and whether it breaks: the rules for values.

A service that reads must go on taking what clients were told they may send, so a schema of a request may become wider.
A service that writes must go on sending what clients were told to expect, so a schema of an answer may become
narrower. Each rule below says only which of the two a change is. What no rule knows is taken to break.

Fields have rules of their own: one that is no longer named breaks either way, as nobody says any more what it means;
one that is new and optional breaks neither, as clients skip what they do not know, unless they were told that there
is nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import TYPE_CHECKING, Any

from ._references import Pair, Place, name_of, object_in
from ._simpler import are_exclusive, plain, types_of, union_of, unwrapped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two documents.

    Attributes:
        where: the operation or the named part of the document, and the field in it.
        what: what has changed, as `was -> is` where that is short.
        is_breaking: whether a client made for the old document may fail with the new one.
    """

    where: str
    what: str
    is_breaking: bool


class Side(Enum):
    """Who reads what a schema describes: the service, or the client."""

    REQUEST = "in requests"
    ANSWER = "in answers"

    @property
    def flipped(self) -> Side:
        """The other side: a webhook is a request that the client reads."""
        return Side.ANSWER if self is Side.REQUEST else Side.REQUEST


class _Shift(Enum):
    NARROWER = "fewer values"
    WIDER = "more values"
    OTHER = "neither within the other"

    def breaks(self, side: Side) -> bool:
        return self is not (_Shift.WIDER if side is Side.REQUEST else _Shift.NARROWER)


# By keyword: the sign with which a larger number is narrower, and what its absence means.
_BOUNDS: dict[str, tuple[int, int | None]] = {
    "minimum": (1, None),
    "exclusiveMinimum": (1, None),
    "minLength": (1, 0),
    "minItems": (1, 0),
    "minProperties": (1, 0),
    "maximum": (-1, None),
    "exclusiveMaximum": (-1, None),
    "maxLength": (-1, None),
    "maxItems": (-1, None),
    "maxProperties": (-1, None),
}
_EXACT = ("format", "pattern", "multipleOf", "uniqueItems")  # with it fewer values, without it more
_WITHIN = {("int32", "int64"), ("float", "double")}
_ACCESS = {"readOnly": "in requests", "writeOnly": "in answers"}  # where it takes the field away
_NAMING = ("x-enum-varnames", "x-enumNames")  # what generators name the members of an enum by
_RULED = {"type", "nullable", "enum", "const", "required", "properties", "additionalProperties", "items", "default"}
_UNIONS = ("anyOf", "oneOf")
_COMPOSED = ("allOf", *_UNIONS)
_JUDGED = _RULED | set(_BOUNDS) | set(_EXACT) | set(_COMPOSED) | set(_ACCESS)
_SAYS_NOTHING = {"$comment", "$ref", "deprecated", "description", "example", "examples", "externalDocs", "title", "xml"}


def schema_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    """Yield what has changed in a schema and in all that it is made of.

    Args:
        pair: the documents that the schema's references are looked up in.
        place: the schema in both, with `{}` where there is none: anything goes.
        side: who reads the values.
    """
    place = _alike(Place(place.where, unwrapped(place.old), unwrapped(place.new)))
    name, now = name_of(place.old), name_of(place.new)
    if name is not None and name != now:
        what = f"no longer by the name of {name.rpartition('/')[2]}; generators make a type of it"
        yield Change(where=f"{place.where}, {side.value}", what=what, is_breaking=True)
    followed = pair.follow(place, of=side.value)
    if followed is None:
        return
    where, old, new = _alike(Place(followed.where, *map(unwrapped, followed[1:])))
    old, new = _schema(old), _schema(new)
    yield from _name_changes(Place(where, old, new), side)
    old, new = yield from _union_changes(pair, Place(where, old, new), side)
    for keyword, shift, what in _own_shifts(old, new):
        yield Change(where=f"{where}, {side.value}", what=f"{keyword}: {what}", is_breaking=shift.breaks(side))
    if old.get("default") != new.get("default"):
        what = f"default: {_short(old.get('default'))} -> {_short(new.get('default'))}"
        yield Change(where=f"{where}, {side.value}", what=what, is_breaking=side is Side.REQUEST)
    yield from _field_changes(pair, Place(where, old, new), side)
    if "items" in old or "items" in new:
        yield from schema_changes(pair, Place(f"{where}[]", old.get("items", {}), new.get("items", {})), side)
    for keyword in _COMPOSED:
        yield from _branch_changes(pair, Place(where, old, new), side, keyword)


def _name_changes(place: Place, side: Side) -> Iterator[Change]:
    """Yield what has changed in the names of an enum's members, and in who may see a field."""
    where, old, new = f"{place.where}, {side.value}", place.old, place.new
    if "enum" in old:
        was, now = _values(old) or frozenset(), _values(new)
        gone = was if now is None else was - now
        if gone:
            what = f"enum: no longer {', '.join(sorted(gone))}; generators make a name of each"
            yield Change(where=where, what=what, is_breaking=True)
    for keyword in _NAMING:
        if keyword in old and old[keyword] != new.get(keyword):
            yield Change(where=where, what=f"{keyword} changed; generators take names from it", is_breaking=True)
    for keyword, closed_to in _ACCESS.items():
        if bool(old.get(keyword)) != bool(new.get(keyword)):
            is_breaking = bool(new.get(keyword)) and side.value == closed_to
            what = f"{keyword} {'added' if new.get(keyword) else 'dropped'}"
            yield Change(where=where, what=what, is_breaking=is_breaking)


def _own_shifts(old: Schema, new: Schema) -> Iterator[tuple[str, _Shift, str]]:
    """Yield the keywords that speak of the value itself and differ, and how."""
    yield from _set_shift("type", types_of(old), types_of(new))
    was, now = _values(old), _values(new)
    if was is not None and now is not None:
        yield from _set_shift("enum", was, now)
    elif was is not now:
        yield "enum", _Shift.NARROWER if was is None else _Shift.WIDER, "added" if was is None else "removed"
    for keyword, (sign, absent) in _BOUNDS.items():
        was, now = old.get(keyword, absent), new.get(keyword, absent)
        if was != now:
            is_narrower = was is None or (now is not None and sign * now > sign * was)
            yield keyword, _Shift.NARROWER if is_narrower else _Shift.WIDER, f"{_short(was)} -> {_short(now)}"
    for keyword in _EXACT:
        was, now = old.get(keyword) or None, new.get(keyword) or None
        if was != now:
            yield keyword, _exact_shift(was, now), f"{_short(was)} -> {_short(now)}"
    for keyword in sorted(old.keys() | new.keys()):
        is_unknown = keyword not in _JUDGED | _SAYS_NOTHING and not keyword.startswith("x-")
        if is_unknown and old.get(keyword) != new.get(keyword):
            yield keyword, _Shift.OTHER, "changed; this keyword is not judged"


def _set_shift(keyword: str, old: frozenset[str], new: frozenset[str]) -> Iterator[tuple[str, _Shift, str]]:
    """Yield the values that are gone, and those that have come."""
    if old - new:
        yield keyword, _Shift.NARROWER, f"no longer {', '.join(sorted(old - new))}"
    if new - old:
        yield keyword, _Shift.WIDER, f"also {', '.join(sorted(new - old))}"


def _exact_shift(was: Any, now: Any) -> _Shift:
    if was is None or (now, was) in _WITHIN:
        return _Shift.NARROWER
    return _Shift.WIDER if now is None or (was, now) in _WITHIN else _Shift.OTHER


def _field_changes(pair: Pair, place: Place, side: Side) -> Iterator[Change]:
    where, old, new = place
    was, now = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", [])), set(new.get("required", []))
    rest, rest_now = old.get("additionalProperties", True), new.get("additionalProperties", True)
    for name in [name for name in was if name not in now]:
        yield Change(where=f"{where}, {side.value}", what=f"field {name} removed", is_breaking=True)
    for name in [name for name in now if name not in was]:
        is_breaking = name in needs if side is Side.REQUEST else rest is False
        kind = "required" if name in needs else "optional"
        yield Change(where=f"{where}, {side.value}", what=f"{kind} field {name} added", is_breaking=is_breaking)
        if side is Side.ANSWER and isinstance(rest, dict):  # so far clients took it for one of these
            yield from schema_changes(pair, Place(f"{where}.{name}", rest, now[name]), side)
    for name in [name for name in was if name in now]:
        yield from schema_changes(pair, Place(f"{where}.{name}", was[name], now[name]), side)
    for name in sorted((needs - needed) - (now.keys() - was.keys())):
        yield Change(
            where=f"{where}, {side.value}", what=f"field {name} is now required", is_breaking=side is Side.REQUEST
        )
    for name in sorted((needed - needs) - (was.keys() - now.keys())):
        yield Change(
            where=f"{where}, {side.value}", what=f"field {name} is now optional", is_breaking=side is Side.ANSWER
        )
    if (rest is False) != (rest_now is False):
        shift = _Shift.NARROWER if rest_now is False else _Shift.WIDER
        what = f"other fields are {'no longer' if rest_now is False else 'now'} allowed"
        yield Change(where=f"{where}, {side.value}", what=what, is_breaking=shift.breaks(side))
    elif isinstance(rest, dict) or isinstance(rest_now, dict):
        yield from schema_changes(pair, Place(f"{where}.*", rest, rest_now), side)


def _branch_changes(pair: Pair, place: Place, side: Side, keyword: str) -> Iterator[Change]:
    """Yield what has changed among alternatives, or among parts that all hold.

    Of oneOf whose branches may overlap nothing is known but that it changed.
    """
    where, old, new = place
    was, now = list(old.get(keyword, [])), list(new.get(keyword, []))
    for branch in list(was):
        if branch not in now:
            continue
        was.remove(branch)
        now.remove(branch)
        yield from schema_changes(pair, Place(where, branch, branch), side)  # what it refers to may have changed
    if keyword in old and keyword in new:
        paired = min(len(was), len(now))
        for index in range(paired):
            yield from schema_changes(pair, Place(f"{where} ({keyword})", was[index], now[index]), side)
        was, now = was[paired:], now[paired:]
        gone, come = _Shift.NARROWER, _Shift.WIDER
        if keyword == "allOf":
            gone, come = come, gone
        elif keyword == "oneOf" and not all(
            are_exclusive(*side_of) for side_of in ((pair.old, old[keyword]), (pair.new, new[keyword]))
        ):
            gone = come = _Shift.OTHER
    else:
        gone, come = _Shift.WIDER, _Shift.NARROWER
    for branches, shift, what in ((was, gone, "removed"), (now, come, "added")):
        for branch in branches:
            name = f"{keyword} {what}: {_short(branch)}"
            yield Change(where=f"{where}, {side.value}", what=name, is_breaking=shift.breaks(side))


def _alike(place: Place) -> Place:
    """Return a place where one side has alternatives with both having them: what stands alone is an alternative too."""
    kinds = [union_of(place.old), union_of(place.new)]
    if kinds[0] is None and kinds[1] is not None:
        return Place(place.where, {kinds[1]: [place.old]}, place.new)
    if kinds[1] is None and kinds[0] is not None:
        return Place(place.where, place.old, {kinds[0]: [place.new]})
    return place


def _union_changes(pair: Pair, place: Place, side: Side) -> Generator[Change, None, tuple[Schema, Schema]]:
    """Yield whether alternatives that may overlap have become ones that must not, or the reverse.

    Returns both schemas with their alternatives under one keyword, so that the rules compare them.
    """
    where, old, new = place
    kinds = [[kind for kind in _UNIONS if kind in schema] for schema in (old, new)]
    if [len(kind) for kind in kinds] != [1, 1] or kinds[0] == kinds[1]:
        return old, new
    [[was], [now]] = kinds
    shift = _Shift.NARROWER if now == "oneOf" else _Shift.WIDER
    is_breaking = shift.breaks(side) and not are_exclusive(pair.new if now == "oneOf" else pair.old, new[now])
    yield Change(where=f"{where}, {side.value}", what=f"{was} -> {now}", is_breaking=is_breaking)
    rest = {key: value for key, value in old.items() if key != was}
    return {**rest, now: old[was]}, new


def _schema(node: Any) -> Schema:
    """Return a schema as an object, without what can be said more simply; JSON Schema has true for anything."""
    schema = object_in(node)
    if schema is None:
        return {} if node is True else {"not": {}}
    return plain(schema)


def _values(schema: Schema) -> frozenset[str] | None:
    """Return the only values that are allowed, as JSON; None for no such list."""
    lists: list[list[Any]] = [schema["enum"]] if "enum" in schema else []
    if "const" in schema:
        lists.append([schema["const"]])
    named = [frozenset(json.dumps(value, sort_keys=True) for value in values) for values in lists]
    return reduce(frozenset[str].intersection, named) if named else None


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}..."
