"""The document as OpenAPI 3.0: valid, and it means the same."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edition_3_0 import NotIn30Error, edition_3_0

from tests.lazy import Lazy

if TYPE_CHECKING:
    import openapi_spec_validator
else:
    openapi_spec_validator = Lazy("openapi_spec_validator")

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "runpod_sdk/emulator/openapi.json").read_text(encoding="utf-8"))
EDITION: dict[str, Any] = json.loads((ROOT / "generated/runpod-queue-3.0.openapi.json").read_text(encoding="utf-8"))


def turned(schema: Any) -> Any:
    """Return what becomes of a schema."""
    whole = edition_3_0({"openapi": "3.1.0", "info": {}, "paths": {}, "components": {"schemas": {"A": schema}}})
    return whole["components"]["schemas"]["A"]


def test_it_is_valid() -> None:
    openapi_spec_validator.OpenAPIV30SpecValidator(EDITION).validate()
    assert EDITION["openapi"] == "3.0.3"


def test_it_is_what_the_document_makes() -> None:
    assert edition_3_0(DOCUMENT) == EDITION


def test_operations_and_schemas_have_the_same_names() -> None:
    def names(document: dict[str, Any]) -> list[Any]:
        operations = [
            item[method]["operationId"]
            for item in document["paths"].values()
            for method in item.keys() - {"parameters"}
        ]
        return [sorted(operations), list(document["components"]["schemas"]), list(document["paths"])]

    assert names(EDITION) == names(DOCUMENT)


def test_what_only_3_1_has_is_gone() -> None:
    assert "webhooks" not in EDITION
    assert "summary" not in EDITION["info"]
    assert EDITION["info"]["license"] == {"name": "MIT"}
    assert [name for name, schema in EDITION["components"]["schemas"].items() if "examples" in schema] == []


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": ["integer", "null"]}, {"type": "integer", "nullable": True}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"exclusiveMinimum": 3}, {"minimum": 3, "exclusiveMinimum": True}),
        ({"examples": [1, 2]}, {"example": 1}),
        ({"$ref": "#/components/schemas/B"}, {"$ref": "#/components/schemas/B"}),
        (
            {"$ref": "#/components/schemas/B", "description": "why"},
            {"description": "why", "allOf": [{"$ref": "#/components/schemas/B"}]},
        ),
        (
            {"oneOf": [{"$ref": "#/components/schemas/B"}, {"type": "null"}]},
            {"nullable": True, "allOf": [{"$ref": "#/components/schemas/B"}]},
        ),
        (True, {}),
        (False, {"not": {}}),
        ({"items": {"type": ["null", "string"]}}, {"items": {"type": "string", "nullable": True}}),
        ({"properties": {"examples": {"const": 1}}}, {"properties": {"examples": {"enum": [1]}}}),
        ({"additionalProperties": {"const": 1}}, {"additionalProperties": {"enum": [1]}}),
        ({"oneOf": [{"const": 1}]}, {"oneOf": [{"enum": [1]}]}),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"type": "string", "enum": ["a", None], "nullable": True}),
    ],
)
def test_a_schema_means_the_same(schema: Any, wanted: Any) -> None:
    assert turned(schema) == wanted


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "integer"]},
        {"type": "null"},
        {"patternProperties": {}},
        {"prefixItems": []},
        {"if": {}},
        {"contentEncoding": "base64"},
        {"$defs": {}},
        {"properties": {"a": {"unevaluatedProperties": False}}},
    ],
)
def test_what_3_0_cannot_say_is_refused(schema: Any) -> None:
    with pytest.raises(NotIn30Error):
        turned(schema)
