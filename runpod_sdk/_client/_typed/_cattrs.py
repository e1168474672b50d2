"""Converts JSON to attrs classes, dataclasses, TypedDicts and plain types with a strict cattrs converter.

By itself cattrs makes the number 5 out of "5", a list out of a string, and a class out of anything where all of its
fields have defaults. This file decides that it does not, and in which order the members of a union are tried.
"""

from __future__ import annotations

import sys
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import (
    Set as AbstractSet,
)
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import (
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.disambiguators import create_default_dis_func
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn  # pyright: ignore[reportUnknownVariableType]

from runpod_sdk._http._signals import let_pass
from runpod_sdk._values._words import counted

from ._misfit import Misfit, first_line, is_class_with_fields, json_name, name_of, step

Hook = Callable[[Any, Any], Any]

# What a JSON array is read as, for each type that may hold one.
_ARRAYS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    Sequence: list,
    MutableSequence: list,
    Collection: list,
    Iterable: list,
    tuple: tuple,
    set: set,
    MutableSet: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}
_OBJECTS: tuple[Any, ...] = (dict, Mapping, MutableMapping)
# The TypedDicts that are being worked out, each with its hook once there is one.
_BEGUN: ContextVar[Mapping[Any, list[Hook]]] = ContextVar("runpod_typed_dicts", default={})  # noqa: B039  never written
_SCALARS: tuple[Any, ...] = (str, bool, int, float, NoneType)  # bool is an int, so it comes first


def reading(kind: Any) -> Callable[[Any], Any]:
    """Return what reads an output as this type, and raises Misfit.

    Raises:
        TypeError: JSON cannot be read as this type.
    """
    kind = NoneType if kind is None else kind
    try:
        hook = _converter().get_structure_hook(kind)
    except Exception as error:  # cattrs raises its own, TypeError, NameError of a forward reference, …
        raise TypeError(
            f"output_type={name_of(kind)}: JSON cannot be read as this type: {first_line(error)}"
        ) from error

    def read(output: Any) -> Any:
        handled = sys.exception()
        try:
            return hook(output, kind)
        except Exception as error:  # noqa: BLE001  validators of the caller's classes may raise anything
            let_pass(error, handled)
            faults = list(_faults(error, "output", kind))
        path, why = faults[0]
        raise Misfit(path, why, len(faults) - 1)

    return read


class _Converter(Converter):
    def get_structure_hook(self, type: Any, cache_result: bool = True) -> Hook:  # noqa: A002, FBT001, FBT002  theirs
        if type is bytes or type is bytearray:
            raise TypeError(f"JSON has no {type.__name__}; use str, and decode it yourself")
        return super().get_structure_hook(type, cache_result)


@cache
def _converter() -> Converter:
    """Return the one converter: it keeps what it has worked out for each type."""
    converter = _Converter(detailed_validation=True)
    for kind in _SCALARS:
        converter.register_structure_hook(kind, _scalar)
    factories: list[tuple[Callable[[Any], bool], Callable[[Any, Converter], Hook]]] = [
        (lambda kind: _among(kind, (date, datetime)), _moment),
        (lambda kind: _among(get_origin(kind) or kind, _ARRAYS), _array),
        (lambda kind: _among(get_origin(kind) or kind, _OBJECTS), _mapping),
        (is_class_with_fields, _class),
        (is_typeddict, _typed_dict),
        (lambda kind: _among(get_origin(kind), (Union, UnionType)), _union),
    ]
    for is_meant, factory in factories:
        converter.register_structure_hook_factory(is_meant, partial(_made, factory, converter))
    return converter


def _made(factory: Callable[[Any, Converter], Hook], converter: Converter, kind: Any) -> Hook:
    return factory(kind, converter)


def _among(kind: Any, kinds: Iterable[Any]) -> bool:
    return any(kind is one for one in kinds)  # some types cannot be hashed


def _wrong(expected: Any, value: object) -> Misfit:
    """Return what says that the value here is of the wrong kind; where that is, `_faults` finds out."""
    return Misfit("", f"expected {name_of(expected)}, found {json_name(value)}")


def _scalar(value: Any, kind: Any) -> Any:
    base = next(one for one in _SCALARS if issubclass(kind, one))
    if base is float and type(value) is int:
        return kind(value)  # JSON knows one kind of number
    if type(value) is not base:
        raise _wrong(kind, value)
    return value if kind is base else kind(value)  # such as a StrEnum


def _moment(kind: Any, _converter: Converter) -> Hook:
    return lambda value, _: kind.fromisoformat(_checked(value, str, kind))


def _array(kind: Any, converter: Converter) -> Hook:
    made = _ARRAYS[get_origin(kind) or kind]
    parts = get_args(kind) or ((Any, ...) if made is tuple else (Any,))
    fixed = made is tuple and not (len(parts) == 2 and parts[1] is ...)
    if parts == ((),):  # tuple[()]
        parts = ()
    hooks = [(part, converter.get_structure_hook(part)) for part in parts if part is not ...]

    def read(value: Any, _kind: Any) -> Any:
        items: list[Any] = _checked(value, list, kind)
        if fixed and len(items) != len(hooks):
            raise Misfit("", f"expected {counted(len(hooks), 'item')}, found {len(items)}")
        read_items: list[Any] = []
        faults: list[Exception] = []
        for at, item in enumerate(items):
            part, hook = hooks[at if fixed else 0]
            try:
                read_items.append(hook(item, part))
            except Exception as fault:  # noqa: BLE001  each fault has its own place
                faults.append(_at(fault, IterableValidationNote, at, part))
        if faults:
            raise IterableValidationError("items", faults, kind)  # pyright: ignore[reportCallIssue]  its __new__
        return made(read_items)

    return read


def _checked(value: Any, base: type, kind: Any) -> Any:
    if not _is_a(value, base):
        raise _wrong(kind, value)
    return value


def _is_a(value: Any, base: type) -> bool:
    return isinstance(value, base)


def _class(kind: Any, converter: Converter) -> Hook:
    return _object(kind, make_dict_structure_fn(kind, converter))


def _mapping(kind: Any, converter: Converter) -> Hook:
    return _object(kind, make_mapping_structure_fn(kind, converter) if get_args(kind) else lambda value, _: value)


def _typed_dict(kind: Any, converter: Converter) -> Hook:
    """Return what reads a TypedDict; one that holds itself is met again while that is made, and looks for it later."""
    begun = _BEGUN.get()
    if kind in begun:
        return lambda value, _: begun[kind][0](value, kind)
    made: list[Hook] = []
    token = _BEGUN.set({**begun, kind: made})
    try:
        made.append(_keys(kind, converter))
    finally:
        _BEGUN.reset(token)
    return made[0]


def _keys(kind: Any, converter: Converter) -> Hook:
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    marks = {name: get_origin(hint) for name, hint in hints.items()}
    # Where annotations are strings, `__required_keys__` knows nothing of NotRequired.
    required = {name for name in kind.__required_keys__ if marks[name] is not NotRequired}
    required |= {name for name, mark in marks.items() if mark is Required}
    parts = {
        name: get_args(hints[name])[0] if mark in (NotRequired, Required) else hints[name]
        for name, mark in marks.items()
    }
    hooks = {name: converter.get_structure_hook(part) for name, part in parts.items()}

    def read(value: dict[str, Any], _kind: Any) -> Any:
        made = dict(value)
        faults: list[Exception] = []
        for name, hook in hooks.items():
            try:
                if name in value:
                    made[name] = hook(value[name], parts[name])
                elif name in required:
                    raise KeyError(name)  # noqa: TRY301  a fault like the others
            except Exception as fault:  # noqa: BLE001  each fault has its own place
                faults.append(_at(fault, AttributeValidationNote, name, parts[name]))
        if faults:
            raise ClassValidationError("keys", faults, kind)  # pyright: ignore[reportCallIssue]  its __new__
        return made

    return _object(kind, read)


def _object(kind: Any, hook: Hook) -> Hook:
    def read(value: Any, _kind: Any) -> Any:
        return hook(_checked(value, dict, kind), kind)

    return read


def _at(fault: Exception, note: Any, key: int | str, kind: Any) -> Exception:
    """Say where a fault is, as cattrs does."""
    fault.__notes__ = [*getattr(fault, "__notes__", ()), note("", key, kind)]
    return fault


def _union(kind: Any, converter: Converter) -> Hook:
    """Read a value of just the right kind as it is, an object as the class that its keys tell, else what fits first."""
    members = get_args(kind)
    scalars = {member for member in members if member in _SCALARS}
    classes = [member for member in members if is_class_with_fields(member)]
    class_of = create_default_dis_func(converter, *classes) if len(classes) > 1 else None
    others = [(member, converter.get_structure_hook(member)) for member in members if member is not NoneType]

    def read(value: Any, _kind: Any) -> Any:
        if type(value) in scalars:
            return value
        if class_of is not None and _is_a(value, dict):
            found = class_of(value)
            if found is not None:
                return converter.structure(value, found)
        for member, hook in others:
            try:
                return hook(value, member)
            except Exception as fault:  # the next one may fit
                let_pass(fault)
                if len(others) == 1 and (_is_a(value, list) or _is_a(value, dict)):
                    raise  # it can have been meant as nothing else, and knows better where it is wrong
        raise _wrong(kind, value)

    return read


def _faults(error: BaseException, path: str, kind: Any) -> Iterable[tuple[str, str]]:
    """Walk through what cattrs raised to each place that is wrong."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        placed, others = error.group_exceptions()
        for fault, note in placed:
            key = note.index if isinstance(note, IterableValidationNote) else note.name
            yield from _faults(fault, step(path, key), note.type)
        for fault in others:
            yield from _faults(fault, path, error.cl)
    elif isinstance(error, BaseValidationError):
        for fault in error.exceptions:
            yield from _faults(fault, path, error.cl)
    elif isinstance(error, Misfit):
        yield path, error.why
    elif isinstance(error, KeyError):
        yield path, "it is missing"
    else:
        # The text may show the value.
        is_theirs = type(error).__module__.startswith("cattrs") or type(error) is Exception
        why = "" if is_theirs else f" ({type(error).__name__})"
        yield path, f"it does not fit {name_of(kind)}{why}"
