"""The document as OpenAPI 3.0.3, for tools that read no 3.1.

3.0 has no webhooks, no summary of the whole and no licence by identifier, one `example` for a schema where 3.1 has a
list, and a reference that nothing may stand beside. What else 3.1 has more than 3.0 is refused rather than dropped, so
that nobody gets a document that means something else.
"""

from __future__ import annotations

from typing import Any, cast

Schema = dict[str, Any]

# Keywords of JSON Schema 2020-12 that mean the same in 3.0 or can be said in it. `x-` fields pass too.
_KEPT = frozenset(
    {"type", "title", "description", "default", "example", "enum", "format", "nullable", "deprecated", "discriminator"}
    | {"readOnly", "writeOnly", "xml", "externalDocs", "multipleOf", "maximum", "minimum", "maxLength", "minLength"}
    | {"pattern", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required"}
)
_ONE, _MANY, _NAMED = {"items", "not"}, {"allOf", "anyOf", "oneOf"}, {"properties"}
_RULED = {"$ref", "additionalProperties", "examples", "const", "exclusiveMinimum", "exclusiveMaximum", "$comment"}


class NotIn30Error(ValueError):
    """Something that 3.0 has no words for."""


def edition_3_0(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of OpenAPI 3.1 as one of 3.0.3.

    Raises:
        NotIn30Error: it uses what cannot be said in 3.0.
    """
    info = {key: value for key, value in document["info"].items() if key != "summary"}
    if "license" in info:
        info["license"] = {key: value for key, value in info["license"].items() if key != "identifier"}
    kept = {key: value for key, value in document.items() if key not in {"webhooks", "jsonSchemaDialect"}}
    if "pathItems" in kept.get("components", {}):
        raise NotIn30Error("components.pathItems")
    return {**_node({**kept, "info": {}}), "openapi": "3.0.3", "info": info}


def _node(node: Any) -> Any:
    """Return any part of a document but a schema, with the schemas in it turned."""
    if isinstance(node, list):
        return [_node(one) for one in cast("Any", node)]
    if not isinstance(node, dict):
        return node
    here = cast("dict[str, Any]", node)
    if "$ref" in here:
        return {"$ref": here["$ref"]}
    turned: dict[str, Any] = {}
    for key, value in here.items():
        if key == "schema":
            turned[key] = _schema(value)
        elif key == "schemas":
            turned[key] = {name: _schema(schema) for name, schema in value.items()}
        else:
            turned[key] = value if key in {"example", "examples"} or key.startswith("x-") else _node(value)
    return turned


def _schema(node: Any) -> Schema:
    if isinstance(node, bool):
        return {} if node else {"not": {}}
    schema: Schema = _or_null(node)
    if unknown := [key for key in schema if key not in _KEPT | _ONE | _MANY | _NAMED | _RULED and key[:2] != "x-"]:
        raise NotIn30Error(f"{', '.join(unknown)} in a schema")
    turned: Schema = {key: value for key, value in schema.items() if key in _KEPT or key.startswith("x-")}
    turned |= {key: _schema(schema[key]) for key in schema.keys() & _ONE}
    turned |= {key: [_schema(one) for one in schema[key]] for key in schema.keys() & _MANY}
    turned |= {key: {name: _schema(one) for name, one in schema[key].items()} for key in schema.keys() & _NAMED}
    if "additionalProperties" in schema:
        rest = schema["additionalProperties"]
        turned["additionalProperties"] = rest if isinstance(rest, bool) else _schema(rest)
    if schema.get("examples"):
        turned["example"] = schema["examples"][0]
    if "const" in schema:
        turned["enum"] = [schema["const"]]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in schema:
            turned |= {bound.lower(): schema[f"exclusive{bound}"], f"exclusive{bound}": True}
    turned = _typed(turned)
    if "$ref" in schema:
        reference = {"$ref": schema["$ref"]}
        return {**turned, "allOf": [*turned.get("allOf", []), reference]} if turned else reference
    return {key: turned[key] for key in (*schema, *turned) if key in turned}  # in the order of the source


def _or_null(schema: Schema) -> Schema:
    """Return a union of one thing with null as that thing, nullable; any other schema as it is."""
    for kind in ("oneOf", "anyOf"):
        branches: list[Any] = schema.get(kind, [])
        others = [branch for branch in branches if branch != {"type": "null"}]
        if len(branches) == 2 and len(others) == 1:
            return {**{key: value for key, value in schema.items() if key != kind}, "nullable": True, "allOf": others}
    return schema


def _typed(schema: Schema) -> Schema:
    """Return a schema whose `type` is one name, with null said as `nullable`."""
    if schema.get("type") == "null":
        raise NotIn30Error("type null alone")
    if not isinstance(schema.get("type"), list):
        return schema
    named: list[str] = schema["type"]
    types = [name for name in named if name != "null"]
    rest = {key: value for key, value in schema.items() if key != "type"}
    if len(types) < len(named):
        rest["nullable"] = True
    if "nullable" in rest and "enum" in rest and None not in rest["enum"]:
        raise NotIn30Error("an enum without null of a type with it")
    if len(types) != 1:
        raise NotIn30Error(f"type {', '.join(named)}")
    return {"type": types[0], **rest}
