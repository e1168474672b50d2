"""What breaks in values: a verdict must hold for every value, so a validator is asked about many."""

import copy
from typing import Any

import pytest
from comparison import Change, compare
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.slow

SCALARS: list[Any] = [None, True, 0, 1, 2, 3, 0.5, "", "a", "bb"]
LISTS: list[Any] = [[], *([value] for value in SCALARS), [1, 2], ["a", 0], [[], 1]]
OBJECTS: list[Any] = [
    {},
    *({name: value} for name in "pq" for value in SCALARS),
    {"p": 1, "q": "a"},
    {"p": {"p": 1}},
    {"q": [1]},
]
VALUES = SCALARS + LISTS + OBJECTS


def some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return schemas with any of these keywords."""
    return st.fixed_dictionaries({}, optional=keywords)


SMALL_NUMBERS = st.integers(0, 2)
LEAVES = st.sampled_from([{}, {"type": "integer"}, {"type": "number"}, {"type": ["string", "null"]}, {"minimum": 1}])
ALTERNATIVES = st.sampled_from(
    [
        [{"type": "integer"}, {"type": "number"}],
        [{"type": "integer"}, {"type": ["string", "null"]}],
        [{"minimum": 1}, {"type": "string"}],
        [{"minimum": 1}],
    ]
)
KINDS = {
    "numbers": some(
        type=st.sampled_from(["integer", "number", ["number", "string"], ["integer", "null"]]),
        minimum=SMALL_NUMBERS,
        maximum=SMALL_NUMBERS,
        exclusiveMinimum=SMALL_NUMBERS,
        exclusiveMaximum=SMALL_NUMBERS,
        multipleOf=st.sampled_from([1, 2]),
    ),
    "strings": some(minLength=SMALL_NUMBERS, maxLength=SMALL_NUMBERS, pattern=st.sampled_from(["a", "b"])),
    "named values": some(
        enum=st.lists(st.sampled_from([1, "a", None]), min_size=1, unique=True), const=st.sampled_from([1, "a"])
    ),
    "arrays": some(items=LEAVES, minItems=SMALL_NUMBERS, maxItems=SMALL_NUMBERS, uniqueItems=st.booleans()),
    "objects": some(
        properties=st.dictionaries(st.sampled_from("pq"), LEAVES),
        required=st.lists(st.sampled_from("pq"), unique=True),
        additionalProperties=st.booleans() | LEAVES,
        minProperties=SMALL_NUMBERS,
        maxProperties=SMALL_NUMBERS,
    ),
    "compositions": some(anyOf=st.lists(LEAVES, min_size=1, max_size=2), allOf=st.lists(LEAVES, min_size=1, max_size=2))
    | some(anyOf=st.just([{"type": "integer"}]), oneOf=st.just([{"type": "integer"}]))
    | some(**{"not": LEAVES}),
    "compositions of compositions": some(
        allOf=st.lists(
            some(type=st.sampled_from(["integer", "number"]), minimum=SMALL_NUMBERS, maximum=SMALL_NUMBERS)
            | some(properties=st.dictionaries(st.sampled_from("pq"), LEAVES), required=st.just(["p"])),
            min_size=1,
            max_size=3,
        ),
        minimum=SMALL_NUMBERS,
        properties=st.dictionaries(st.sampled_from("pq"), LEAVES),
        required=st.just(["q"]),
        additionalProperties=st.booleans(),
    ),
    "alternatives": some(anyOf=ALTERNATIVES) | some(oneOf=ALTERNATIVES),
}


def document_of(schema: dict[str, Any], *, is_request: bool) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": schema}}}
    told: dict[str, Any] = {"requestBody": content, "responses": {}}
    if not is_request:
        told = {"responses": {"200": {"description": "", **content}}}
    return {"openapi": "3.1.0", "info": {}, "paths": {"/": {"post": told}}}


def changes_between(old: dict[str, Any], new: dict[str, Any], *, is_request: bool) -> list[Change]:
    return compare(document_of(old, is_request=is_request), document_of(new, is_request=is_request))


def valid(schema: dict[str, Any]) -> list[Any]:
    return [value for value in VALUES if takes(schema, value)]


def takes(schema: dict[str, Any], value: Any) -> bool:
    return not any(Draft202012Validator(schema).iter_errors(value))  # pyright: ignore[reportUnknownMemberType]


REQUEST, ANSWER = "request", "answer"
CLOSED = {"additionalProperties": False}
VERDICTS: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    # old, new, and where it breaks
    ({"type": "integer"}, {"type": "number"}, {ANSWER}),
    ({"type": "string"}, {"type": ["string", "null"]}, {ANSWER}),
    ({"type": "string"}, {"type": "string", "nullable": True}, {ANSWER}),
    ({"type": "string"}, {"type": "integer"}, {REQUEST, ANSWER}),
    ({"format": "int32"}, {"format": "int64"}, {ANSWER}),
    ({"format": "date"}, {"format": "uuid"}, {REQUEST, ANSWER}),
    ({"minLength": 0}, {}, set()),
    ({"default": 1}, {"default": 2}, {REQUEST}),
    ({"const": 1}, {"enum": [1, 2]}, {ANSWER}),
    ({}, {"properties": {"p": {}}}, set()),
    (CLOSED, {"properties": {"p": {}}, **CLOSED}, {ANSWER}),
    (
        {"additionalProperties": {"type": "string"}},
        {"properties": {"p": {"type": "null"}}, **CLOSED},
        {REQUEST, ANSWER},
    ),
    (
        {"additionalProperties": {"type": "string"}},
        {"properties": {"p": {"type": "null"}}, "additionalProperties": {"type": "string"}},
        {ANSWER},
    ),
    ({"anyOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, {ANSWER}),
    ({"oneOf": [{"minimum": 1}]}, {"oneOf": [{"minimum": 0}]}, {ANSWER}),
    ({"type": "string"}, {"oneOf": [{"type": "string"}, {"type": "null"}]}, {ANSWER}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string"}, {REQUEST}),
    ({"type": "number"}, {"oneOf": [{"type": "number"}, {"type": "integer"}]}, {REQUEST, ANSWER}),
    ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, {"oneOf": [{"minimum": 1}]}, {REQUEST, ANSWER}),
    ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}, set()),
    ({"enum": ["a", "b"]}, {"enum": ["a"]}, {REQUEST, ANSWER}),
    ({"items": {"type": "integer"}}, {"items": {"type": "number"}}, {ANSWER}),
    ({"allOf": [{"minimum": 1}]}, {"allOf": [{"minimum": 1}, {"type": "number"}]}, {REQUEST}),
]


@pytest.mark.parametrize(("old", "new", "breaks_in"), VERDICTS)
def test_the_verdict_on(old: dict[str, Any], new: dict[str, Any], breaks_in: set[str]) -> None:
    sides = {REQUEST: True, ANSWER: False}
    found = {name: changes_between(old, new, is_request=is_request) for name, is_request in sides.items()}
    assert {name for name, changes in found.items() if any(change.is_breaking for change in changes)} == breaks_in


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_an_answer_that_does_not_break_has_no_value_that_clients_were_not_told_of(
    kind: str, data: st.DataObject
) -> None:
    old, new = data.draw(KINDS[kind]), data.draw(KINDS[kind])
    if not any(change.is_breaking for change in changes_between(old, new, is_request=False)):
        assert [value for value in valid(new) if not takes(old, value)] == []


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_request_that_does_not_break_takes_every_value_that_clients_were_told_of(
    kind: str, data: st.DataObject
) -> None:
    old, new = data.draw(KINDS[kind]), data.draw(KINDS[kind])
    changes = changes_between(old, new, is_request=True)
    # A new optional field does not break: nobody was told to send one of that name, though nothing forbade it.
    if not any(change.is_breaking or "optional field" in change.what for change in changes):
        assert [value for value in valid(old) if not takes(new, value)] == []


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_schema_does_not_differ_from_itself(kind: str, data: st.DataObject) -> None:
    schema = data.draw(KINDS[kind])
    assert changes_between(schema, copy.deepcopy(schema), is_request=True) == []
    assert changes_between(schema, copy.deepcopy(schema), is_request=False) == []
