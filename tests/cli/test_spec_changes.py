"""What breaks between two documents: each rule for operations, and what they are made of, by an example."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from runpod_sdk.cli._spec._changes import compare
from runpod_sdk.cli._spec._document import installed
from runpod_sdk.cli._spec._references import InvalidDocumentError

Document = dict[str, Any]
Edit = Callable[[Document], None]

SMALL: Document = {
    "openapi": "3.1.0",
    "info": {"title": "Jobs", "version": "1.0.0"},
    "servers": [{"url": "https://{host}/v1", "variables": {"host": {"default": "a.example"}}}],
    "security": [{"key": []}, {"token": ["read"]}],
    "paths": {
        "/jobs/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "operationId": "submit",
                "parameters": [{"$ref": "#/components/parameters/Wait"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
                "responses": {
                    "200": {"$ref": "#/components/responses/Taken"},
                    "404": {"description": "unknown"},
                    "5XX": {"description": "failed", "content": {"text/plain": {"schema": {"type": "string"}}}},
                },
                "callbacks": {
                    "done": {
                        "{$request.body#/url}": {
                            "post": {
                                "operationId": "on_done",
                                "requestBody": {
                                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}
                                },
                                "responses": {"200": {"description": "taken"}},
                            }
                        }
                    }
                },
            },
        }
    },
    "components": {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}, "token": {"type": "openIdConnect"}},
        "parameters": {"Wait": {"name": "wait", "in": "query", "schema": {"type": "integer", "maximum": 9}}},
        "responses": {
            "Taken": {
                "description": "taken",
                "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
            }
        },
        "schemas": {
            "Job": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"enum": ["OPEN", "DONE"]},
                    "size": {"type": "integer", "format": "int32"},
                    "next": {"$ref": "#/components/schemas/Job"},
                },
            }
        },
    },
}


def edited(edit: Edit) -> Document:
    document = copy.deepcopy(SMALL)
    edit(document)
    return document


def operation(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/jobs/{id}"]["post"]
    return found


def job(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]["Job"]
    return found


def callback(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = operation(document)["callbacks"]["done"]["{$request.body#/url}"]["post"]
    return found


def put(of: Callable[[Document], dict[str, Any]], **values: Any) -> Edit:
    return lambda document: of(document).update(values)


def drop(of: Callable[[Document], dict[str, Any]], key: str) -> Edit:
    return lambda document: of(document).__delitem__(key)


def component(kind: str, name: str) -> Callable[[Document], dict[str, Any]]:
    return lambda document: document["components"][kind][name]


WAIT = component("parameters", "Wait")
TAKEN = component("responses", "Taken")


def answers(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = operation(document)["responses"]
    return found


def require_wait(document: Document) -> None:
    WAIT(document)["required"] = True


def add_parameter(*, required: bool) -> Edit:
    added = {"name": "tag", "in": "query", "required": required, "schema": {"type": "string"}}
    return lambda document: operation(document)["parameters"].append(added)


def require_body(document: Document) -> None:
    operation(document)["requestBody"]["required"] = True


def loosen_header(document: Document) -> None:
    TAKEN(document)["headers"]["Location"]["required"] = False


def widen_wait(document: Document) -> None:
    WAIT(document)["schema"]["maximum"] = 10


def narrow_wait(document: Document) -> None:
    WAIT(document)["schema"]["maximum"] = 8


def add_optional_field(document: Document) -> None:
    job(document)["properties"]["label"] = {"type": "string"}


def add_to_enum(document: Document) -> None:
    job(document)["properties"]["status"]["enum"].append("LOST")


def describe(document: Document) -> None:
    job(document)["description"] = operation(document)["summary"] = "other words"
    job(document)["examples"] = [{"status": "OPEN"}]
    document["info"]["version"] = "9.0.0"
    operation(document)["x-source"] = ["elsewhere"]


BREAKING: dict[str, tuple[Edit, str]] = {
    "an operation is removed": (drop(lambda d: d["paths"]["/jobs/{id}"], "post"), "POST /jobs/{id}: removed"),
    "a path is renamed": (
        lambda d: d["paths"].update({"/job/{id}": d["paths"].pop("/jobs/{id}")}),
        "POST /jobs/{id}: removed",
    ),
    "an operation is renamed": (put(operation, operationId="send"), "operationId: submit -> send"),
    "a server is removed": (put(lambda d: d, servers=[]), "servers: https://a.example/v1 removed"),
    "an operation gets servers": (put(operation, servers=[{"url": "/"}]), "servers of its own changed"),
    "a key no longer lets in": (put(lambda d: d, security=[{"token": ["read"]}]), "security: key no longer lets in"),
    "one key is not enough": (
        put(lambda d: d, security=[{"key": [], "token": []}, {"token": ["read"]}]),
        "security: key no longer lets in",
    ),
    "a scope is added": (
        put(lambda d: d, security=[{"key": []}, {"token": ["write"]}]),
        "token read no longer lets in",
    ),
    "a scheme changes": (put(component("securitySchemes", "key"), scheme="basic"), "securityScheme key: changed"),
    "a parameter is removed": (put(operation, parameters=[]), "query wait removed"),
    "a parameter becomes required": (require_wait, "parameter Wait: is now required"),
    "a required parameter is added": (add_parameter(required=True), "required query tag added"),
    "a parameter takes less": (narrow_wait, "parameter Wait, in requests: maximum: 9 -> 8"),
    "a parameter is written otherwise": (put(WAIT, explode=False), "style, explode or allowReserved changed"),
    "a body becomes required": (require_body, "body: is now required"),
    "a body is removed": (drop(operation, "requestBody"), "body: removed"),
    "a success is added": (put(answers, **{"202": {"description": "later"}}), "answer 202 added"),
    "a success is removed": (drop(answers, "200"), "answer 200 removed"),
    "a header may be absent": (loosen_header, "header Location: is now optional"),
    "a header is removed": (put(TAKEN, headers={}), "answer Taken: header Location removed"),
    "an answer has another media type": (put(TAKEN, content={"text/csv": {}}), "application/json removed"),
    "a callback is removed": (put(operation, callbacks={}), "callback POST done {$request.body#/url}: removed"),
    "a callback sends nothing": (drop(callback, "requestBody"), "body: removed"),
    "an answer to a callback is refused": (
        put(callback, responses={"204": {"description": "taken"}}),
        "answer 200 removed",
    ),
    "an answer has more values": (add_to_enum, 'schema Job.status, in answers: enum: also "LOST"'),
    "a field is removed": (drop(lambda d: job(d)["properties"], "size"), "schema Job, in requests: field size removed"),
    "an answer may lack a field": (put(job, required=[]), "schema Job, in answers: field status is now optional"),
    "a request needs a field": (
        put(job, required=["status", "size"]),
        "schema Job, in requests: field size is now required",
    ),
    "a request is closed": (put(job, additionalProperties=False), "in requests: other fields are no longer allowed"),
    "a keyword is not judged": (put(job, propertyNames={"maxLength": 3}), "this keyword is not judged"),
    "a schema is no longer named": (
        lambda d: rename(d, "Job", "Work"),
        "schema Job: removed",
    ),
}


def rename(document: Document, old: str, new: str) -> None:
    schemas = document["components"]["schemas"]
    schemas[new] = schemas.pop(old)
    document.update(json.loads(json.dumps(document).replace(f"schemas/{old}", f"schemas/{new}")))


COMPATIBLE: dict[str, tuple[Edit, str]] = {
    "an operation is added": (
        put(lambda d: d["paths"], **{"/health": {"get": {"responses": {}}}}),
        "GET /health: added",
    ),
    "a server is added": (
        lambda d: d["servers"].append({"url": "https://b.example"}),
        "servers: https://b.example added",
    ),
    "another key lets in": (lambda d: d["security"].append({"other": []}), "security: other now lets in"),
    "no key is needed": (put(lambda d: d, security=[]), "security: no key now lets in"),
    "an operation is deprecated": (put(operation, deprecated=True), "POST /jobs/{id}: deprecated"),
    "an optional parameter is added": (add_parameter(required=False), "optional query tag added"),
    "a parameter takes more": (widen_wait, "parameter Wait, in requests: maximum: 9 -> 10"),
    "an error is added": (put(answers, **{"429": {"description": "slow"}}), "answer 429 added"),
    "an error is removed": (drop(answers, "404"), "answer 404 removed"),
    "an error has another form too": (
        lambda d: answers(d)["5XX"]["content"].update({"text/html": {}}),
        "answer 5XX: text/html added",
    ),
    "a header is added": (lambda d: TAKEN(d)["headers"].update({"ETag": {}}), "header ETag added"),
    "an optional field is added": (add_optional_field, "schema Job, in requests: optional field label added"),
}
UNNOTICED: dict[str, Edit] = {
    "texts, examples, x- fields and the version": describe,
    "a status that its range describes as well": lambda d: answers(d).update({"503": answers(d)["5XX"]}),
    "a reference that is written out": lambda d: operation(d).update(
        parameters=[copy.deepcopy(d["components"]["parameters"]["Wait"])]
    ),
}


def lines(old: Document, new: Document) -> dict[str, bool]:
    return {f"{change.where}: {change.what}": change.is_breaking for change in compare(old, new)}


@pytest.mark.parametrize("name", BREAKING)
def test_breaks_when(name: str) -> None:
    edit, expected = BREAKING[name]
    found = lines(SMALL, edited(edit))
    assert any(expected in line for line, is_breaking in found.items() if is_breaking), found


@pytest.mark.parametrize("name", COMPATIBLE)
def test_tells_and_does_not_break_when(name: str) -> None:
    edit, expected = COMPATIBLE[name]
    found = lines(SMALL, edited(edit))
    assert any(expected in line for line in found), found
    assert not any(found.values()), found


@pytest.mark.parametrize("name", UNNOTICED)
def test_does_not_notice(name: str) -> None:
    assert lines(SMALL, edited(UNNOTICED[name])) == {}


def test_the_same_change_is_judged_by_who_reads_the_value() -> None:
    found = lines(SMALL, edited(add_to_enum))
    assert found == {
        'schema Job.status, in answers: enum: also "LOST"': True,
        'schema Job.status, in requests: enum: also "LOST"': False,
    }


def test_a_named_schema_is_told_once_however_many_operations_use_it() -> None:
    many = copy.deepcopy(SMALL)
    for number in range(5):
        many["paths"][f"/more/{number}"] = copy.deepcopy(many["paths"]["/jobs/{id}"])
    changed = copy.deepcopy(many)
    add_to_enum(changed)
    assert len(compare(many, changed)) == 2


def test_two_inlined_schemas_in_place_of_one_name_are_both_compared() -> None:
    def inline(document: Document) -> None:
        content = operation(document)["requestBody"]["content"]
        content["application/json"]["schema"] = {**job(document), "required": ["status", "size"]}
        callback(document)["requestBody"]["content"]["application/json"]["schema"] = {**job(document), "required": []}

    breaking = [line for line, is_breaking in lines(SMALL, edited(inline)).items() if is_breaking]
    assert len(breaking) == 2
    assert any("field size is now required" in line for line in breaking)
    assert any("field status is now optional" in line for line in breaking)


def test_what_breaks_comes_first() -> None:
    def both(document: Document) -> None:
        add_optional_field(document)
        narrow_wait(document)

    found = [change.is_breaking for change in compare(SMALL, edited(both))]
    assert found == sorted(found, reverse=True)
    assert set(found) == {True, False}


def test_the_document_of_this_version_does_not_differ_from_itself() -> None:
    assert compare(installed(), installed()) == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "OpenAPI 3 expected"),
        ({"swagger": "2.0"}, "OpenAPI 3 expected"),
        ({"openapi": "3.1.0", "paths": []}, "no valid OpenAPI 3"),
        (edited(put(operation, requestBody={"$ref": "#/components/none"})), "names nothing"),
        (edited(put(operation, requestBody={"$ref": "other.yaml#/a"})), "only references within the document"),
        (
            edited(lambda d: d["components"]["schemas"].update(Job={"$ref": "#/components/schemas/Job"})),
            "back to itself",
        ),
    ],
)
def test_a_document_that_cannot_be_compared_is_refused(document: Document, reason: str) -> None:
    with pytest.raises(InvalidDocumentError, match=reason):
        compare(document, SMALL)
