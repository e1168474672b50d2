"""The same schema, said more simply: so that it is not the way of saying something that is compared."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ._references import name_of, object_in, resolved

Schema = dict[str, Any]

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_COMPOSED = ("allOf", "anyOf", "oneOf")
_TEXTS = {"$comment", "deprecated", "description", "example", "examples", "externalDocs", "title", "xml"}
# What means in a branch of allOf the same as beside it.
_MOVABLE = _TEXTS | {
    *("type", "enum", "const", "required", "properties", "items", "not", "format", "pattern", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "readOnly", "writeOnly", *_COMPOSED),
}


def unwrapped(node: Any) -> Any:
    """Return a reference that stands alone in allOf, anyOf or oneOf as that reference, with the texts beside it."""
    schema = object_in(node)
    while schema is not None and name_of(schema) is None:
        [kind, *others] = [kind for kind in _COMPOSED if kind in schema] or [""]
        if others or not kind or len(schema[kind]) != 1:
            break
        rest = {key: value for key, value in schema.items() if key != kind}
        branch = object_in(schema[kind][0])
        if kind == "allOf" and rest.pop("nullable", False) is True:  # as OpenAPI 3.0 says it of a reference
            return {**rest, "oneOf": [branch, {"type": "null"}]}
        if branch is None or any(_says_something(key) for key in rest):
            break
        schema = {**branch, **rest}
    return node if schema is None else schema


def union_of(node: Any) -> str | None:
    """Return anyOf or oneOf where a schema is that, and nothing beside it; None for any other."""
    schema = object_in(node) or {}
    kinds = [key for key in schema if _says_something(key)]
    return kinds[0] if kinds in (["anyOf"], ["oneOf"]) else None


def plain(schema: Schema) -> Schema:
    """Return a schema whose branches of allOf, and single branches, stand beside each other, where that is the same."""
    schema = _with_numeric_bounds(schema)
    for kind in _COMPOSED:
        branches = schema.get(kind, [])
        if not branches or (kind != "allOf" and (len(branches) > 1 or union_of(schema))):
            continue
        parts = [object_in(branch) for branch in branches]
        if any(part is None or name_of(part) is not None for part in parts):
            continue
        rest = {key: value for key, value in schema.items() if key != kind}
        merged: Schema | None = rest
        for part in parts:
            merged = None if merged is None or part is None else _merged(merged, _with_numeric_bounds(part))
        if merged is not None:
            return plain(merged)
    return schema


def _merged(one: Schema, other: Schema) -> Schema | None:
    """Return one schema that holds where both do, or None where that is not plain."""
    if any(_says_something(key) and key not in _MOVABLE for key in (*one, *other)):
        return None
    merged = {**one, **other}
    for key in [key for key in one if key in other and _says_something(key)]:
        if key == "required":
            merged[key] = [*dict.fromkeys([*one[key], *other[key]])]
        elif key == "properties" and not any(
            one[key][name] != other[key][name] for name in one[key] if name in other[key]
        ):
            merged[key] = {**one[key], **other[key]}
        elif key == "allOf":
            merged[key] = [*one[key], *other[key]]
        elif one[key] != other[key]:
            return None
    return merged


def _says_something(key: str) -> bool:
    return key not in _TEXTS and not key.startswith("x-")


def _with_numeric_bounds(schema: Schema) -> Schema:
    """Return exclusive bounds as 3.1 has them: a number, and not true beside a number."""
    for bound in ("Minimum", "Maximum"):
        exclusive = schema.get(f"exclusive{bound}")
        if isinstance(exclusive, bool):
            rest = {key: value for key, value in schema.items() if key != f"exclusive{bound}"}
            limit = rest.pop(bound.lower(), None) if exclusive else None
            schema = rest if limit is None else {**rest, f"exclusive{bound}": limit}
    return schema


def types_of(schema: Schema) -> frozenset[str]:
    """Return the types that a schema lets in."""
    named = schema.get("type", TYPES)
    types = {named} if isinstance(named, str) else set(named)
    if schema.get("nullable"):  # as OpenAPI 3.0 has it
        types.add("null")
    return frozenset(types | {"integer"} if "number" in types else types)


def are_exclusive(document: dict[str, Any], branches: list[Any]) -> bool:
    """Return whether no value fits two of the branches, as far as that is plain to see.

    It is where their types differ, or where both are objects, and a field that one of them requires is of different
    types.
    """
    schemas = [plain(object_in(resolved(document, branch)) or {}) for branch in branches]
    return all(_exclude(document, *pair) for pair in combinations(schemas, 2))


def _exclude(document: dict[str, Any], one: Schema, other: Schema) -> bool:
    shared = types_of(one) & types_of(other)
    if not shared:
        return True
    if shared != frozenset({"object"}):
        return False
    fields, others = one.get("properties", {}), other.get("properties", {})
    needed = {*one.get("required", []), *other.get("required", [])}
    for name in needed & fields.keys() & others.keys():
        first, second = (object_in(resolved(document, field)) or {} for field in (fields[name], others[name]))
        if not types_of(first) & types_of(second):
            return True
    return False
