"""What breaks between two documents: each rule for operations, and what they are made of, by an example."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparison import InvalidDocumentError, compare

Document = dict[str, Any]
Edit = Callable[[Document], Any]

PATH = Path(__file__).parents[2] / "runpod_sdk" / "emulator" / "openapi.json"
DOCUMENT: Document = json.loads(PATH.read_text(encoding="utf-8"))
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
                "tags": ["jobs"],
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
            "Text": {"type": "string"},
            "Job": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"type": "string", "enum": ["OPEN", "DONE"]},
                    "size": {"type": "integer", "format": "int32"},
                    "next": {"$ref": "#/components/schemas/Job"},
                    "secret": {"type": "string", "writeOnly": True},
                    "made": {"type": "string", "readOnly": True},
                    "perhaps": {"oneOf": [{"$ref": "#/components/schemas/Text"}, {"type": "null"}]},
                    "why": {"anyOf": [{"$ref": "#/components/schemas/Text"}, {"type": "integer"}]},
                },
            },
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
    "another server is the first": (
        lambda d: d["servers"].insert(0, {"url": "https://b.example"}),
        "the first is https://b.example, no longer https://{host}/v1",
    ),
    "a variable of a server is removed": (
        put(lambda d: d, servers=[{"url": "https://a.example/v1"}]),
        "servers: variable host removed",
    ),
    "a variable of a server is renamed": (
        put(lambda d: d, servers=[{"url": "https://{name}/v1", "variables": {"name": {"default": "a.example"}}}]),
        "servers: variable host removed",
    ),
    "a variable of a server takes fewer values": (
        lambda d: d["servers"][0]["variables"]["host"].update(enum=["a.example"]),
        "servers: variable host takes fewer values",
    ),
    "an operation moves to another tag": (put(operation, tags=["work"]), "tag jobs removed"),
    "an operation has no tag any more": (drop(operation, "tags"), "tag jobs removed"),
    "another tag is the first": (put(operation, tags=["work", "jobs"]), "the first tag is work, no longer jobs"),
    "a parameter comes before others": (
        lambda d: operation(d)["parameters"].insert(0, {"name": "tag", "in": "query", "schema": {"type": "string"}}),
        "the order of parameters",
    ),
    "an answer has fewer names of values": (
        lambda d: job(d)["properties"]["status"]["enum"].remove("DONE"),
        'schema Job.status, in answers: enum: no longer "DONE"',
    ),
    "a value is no longer one of a list": (
        put(lambda d: job(d)["properties"], status={"type": "string"}),
        "generators make a name of each",
    ),
    "a field of an answer is only written": (
        lambda d: job(d)["properties"]["size"].update(writeOnly=True),
        "schema Job.size, in answers: writeOnly added",
    ),
    "a field of a request is only read": (
        lambda d: job(d)["properties"]["size"].update(readOnly=True),
        "schema Job.size, in requests: readOnly added",
    ),
    "a reference to a schema is written out": (
        lambda d: TAKEN(d)["content"]["application/json"].update(schema=copy.deepcopy(job(d))),
        "no longer by the name of Job",
    ),
    "another schema of the same form takes its place": (
        lambda d: (
            d["components"]["schemas"].update(Twin=copy.deepcopy(job(d))),
            TAKEN(d)["content"]["application/json"].update(schema={"$ref": "#/components/schemas/Twin"}),
        ),
        "no longer by the name of Job",
    ),
    "a keyword is not judged": (put(job, propertyNames={"maxLength": 3}), "this keyword is not judged"),
    "a schema is no longer named": (
        lambda d: rename(d, "Job", "Work"),
        "schema Job: removed",
    ),
}


COMPONENTS = {
    "requestBodies": {"description": "b", "content": {"application/json": {"schema": {"type": "string"}}}},
    "responses": {"description": "taken"},
    "parameters": {"name": "wait", "in": "query", "schema": {"type": "integer"}},
    "headers": {"schema": {"type": "string"}},
    "schemas": {"type": "string"},
    "callbacks": {},
    "pathItems": {},
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
    "an operation gets a second tag": (put(operation, tags=["jobs", "work"]), "POST /jobs/{id}: tag work added"),
    "a variable of a server is added": (
        lambda d: d["servers"].append({"url": "https://a.example/{v}", "variables": {"v": {"default": "v1"}}}),
        "servers: variable v added",
    ),
    "a field is no longer only written": (
        lambda d: job(d)["properties"]["secret"].pop("writeOnly"),
        "schema Job.secret, in answers: writeOnly dropped",
    ),
    "a field is no longer only read": (
        lambda d: job(d)["properties"]["made"].pop("readOnly"),
        "schema Job.made, in requests: readOnly dropped",
    ),
    "alternatives that exclude each other say so": (
        lambda d: job(d)["properties"].update(why={"oneOf": job(d)["properties"]["why"]["anyOf"]}),
        "schema Job.why, in requests: anyOf -> oneOf",
    ),
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
    "a reference that stands in allOf": lambda d: TAKEN(d)["content"]["application/json"].update(
        schema={"allOf": [{"$ref": "#/components/schemas/Job"}], "description": "what was taken"}
    ),
    "a field that refers by allOf": lambda d: job(d)["properties"].update(
        next={"allOf": [{"$ref": "#/components/schemas/Job"}]}
    ),
    "a reference that is the only one of oneOf": lambda d: job(d)["properties"].update(
        next={"oneOf": [{"$ref": "#/components/schemas/Job"}]}
    ),
    "a reference or null, as 3.0 says it": lambda d: job(d)["properties"].update(
        perhaps={"nullable": True, "allOf": [{"$ref": "#/components/schemas/Text"}]}
    ),
    "a schema that stands in allOf": lambda d: d["components"]["schemas"].update(Job={"allOf": [job(d)]}),
    "a schema in parts": lambda d: d["components"]["schemas"].update(
        Job={
            "type": "object",
            "allOf": [
                {"properties": {name: job(d)["properties"][name]}, "required": [name] if name == "status" else []}
                for name in job(d)["properties"]
            ],
        }
    ),
    "a type as a list": lambda d: job(d).update(type=["object"]),
    "any other field, said aloud": lambda d: job(d).update(additionalProperties=True),
    "the order of values": lambda d: job(d)["properties"]["status"].update(enum=["DONE", "OPEN"]),
    "how a parameter is written, said aloud": lambda d: WAIT(d).update(style="form", explode=True, required=False),
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


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_component_that_is_no_longer_named_breaks(kind: str) -> None:
    old, new = copy.deepcopy(SMALL), copy.deepcopy(SMALL)
    old["components"].setdefault(kind, {})["Former"] = COMPONENTS[kind]
    new["components"].setdefault(kind, {})["Latter"] = COMPONENTS[kind]
    assert any("Former: removed" in line for line, is_breaking in lines(old, new).items() if is_breaking)
    del old["components"][kind]["Former"]
    assert not any(lines(old, new).values())


@pytest.mark.parametrize(
    ("branches", "are_exclusive"),
    [
        ([{"type": "string"}, {"type": "integer"}], True),
        ([{"type": "number"}, {"type": "integer"}], False),
        ([{"type": "string"}, {"minLength": 1}], False),
        ([{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}], False),
        (
            [
                {"type": "object", "properties": {"a": {"type": "string"}}},
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
            ],
            True,
        ),
        (
            [
                {"type": "object", "properties": {"a": {"type": "string"}}},
                {"type": "object", "properties": {"a": {"type": "integer"}}},
            ],
            False,
        ),
        ([{"type": "string"}, {"type": "integer"}, {"type": "string", "minLength": 9}], False),
    ],
)
def test_alternatives_that_may_overlap_are_not_told_to_exclude_each_other(
    branches: list[Any], *, are_exclusive: bool
) -> None:
    def of(keyword: str) -> Document:
        return edited(lambda d: job(d)["properties"].update(why={keyword: branches}))

    narrower, wider = lines(of("anyOf"), of("oneOf")), lines(of("oneOf"), of("anyOf"))
    assert narrower == {
        "schema Job.why, in requests: anyOf -> oneOf": not are_exclusive,
        "schema Job.why, in answers: anyOf -> oneOf": False,
    }
    assert wider == {
        "schema Job.why, in requests: oneOf -> anyOf": False,
        "schema Job.why, in answers: oneOf -> anyOf": not are_exclusive,
    }


def test_names_of_values_that_generators_read_break_when_they_change() -> None:
    old = edited(lambda d: job(d)["properties"]["status"].update({"x-enum-varnames": ["Open", "Done"]}))
    new = edited(lambda d: job(d)["properties"]["status"].update({"x-enum-varnames": ["Open", "Ended"]}))
    assert all(lines(old, new).values())
    assert lines(old, new)
    assert lines(SMALL, old) == {}


def test_the_edition_for_3_0_lacks_the_webhook_and_nothing_else() -> None:
    edition = json.loads((PATH.parents[2] / "generated/runpod-queue-3.0.openapi.json").read_text(encoding="utf-8"))
    assert lines(DOCUMENT, edition) == {"webhook POST jobFinished: removed": True}


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
    assert len([line for line in breaking if "no longer by the name of Job" in line]) == 2
    assert len(breaking) == 4
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
    assert compare(DOCUMENT, copy.deepcopy(DOCUMENT)) == []


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
