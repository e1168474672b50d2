"""Compare the OpenAPI document with itself, with the official documentation and with the generated client."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from runpod_queue_client import AuthenticatedClient, models
from runpod_queue_client.models import Job, JobInput, JobStatus, Policy, RunRequest, StreamResult

from tests.lazy import Lazy
from tests.spec import spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openapi_spec_validator
else:
    openapi_spec_validator = Lazy("openapi_spec_validator")

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
SPEC = spec()
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
MARKS = ("documented", "live", "official source", "reported", "assumed")

Pointer = tuple[str, ...]


def nodes(node: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """Walk the objects of the document, but not those inside its examples."""
    if isinstance(node, dict):
        here = cast("dict[str, Any]", node)
        yield pointer, here
        for key, value in here.items():
            if key not in {"example", "examples"}:
                yield from nodes(value, (*pointer, key))
    elif isinstance(node, list):
        for index, value in enumerate(cast("Any", node)):
            yield from nodes(value, (*pointer, str(index)))


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the document, if `node` is one."""
    while "$ref" in node:
        found: dict[str, Any] = SPEC
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


REGISTRY: Registry[Any] = Registry[Any]().with_resource("urn:spec", DRAFT202012.create_resource(SPEC))


def validator(pointer: Pointer) -> Any:
    """Return a validator for the schema that stands at `pointer` in the document."""
    fragment = "".join("/" + quote(part.replace("~", "~0").replace("/", "~1"), safe="~") for part in pointer)
    return Draft202012Validator({"$ref": f"urn:spec#{fragment}"}, registry=REGISTRY)


def schema(name: str) -> Any:
    """Return a validator for a named schema."""
    return validator(("components", "schemas", name))


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return path, method and operation by operationId, of what the service answers to."""
    return {
        item[method]["operationId"]: (path, method, item[method])
        for path, item in SPEC["paths"].items()
        for method in item
        if method in METHODS  # in the order of the document: tests are named by it
    }


OPERATIONS = operations()
# What the service calls, in webhooks and callbacks, has an operationId too.
ALL_OPERATIONS = [node for _, node in nodes(SPEC) if "operationId" in node and "tags" in node]


def parameters(name: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of an operation by name, those of its path included."""
    path, _, operation = OPERATIONS[name]
    found = [resolved(one) for one in [*SPEC["paths"][path].get("parameters", []), *operation.get("parameters", [])]]
    return {one["name"]: one for one in found}


def module(name: str) -> Any:
    """Return the generated module of an operation."""
    folder = OPERATIONS[name][2]["tags"][0].replace("-", "_")
    return importlib.import_module(f"runpod_queue_client.api.{folder}.{name}")


# --- the document by itself ---


def test_document_is_valid_openapi() -> None:
    openapi_spec_validator.validate(SPEC)


def test_json_copy_is_the_document() -> None:
    text = (ROOT / "runpod_sdk" / "emulator" / "openapi.json").read_text(encoding="utf-8")
    assert text == json.dumps(SPEC, indent=2, ensure_ascii=False) + "\n"


def test_operations_are_the_nine_the_aliases_and_those_of_batches() -> None:
    assert {name: (method.upper(), path) for name, (path, method, _) in OPERATIONS.items()} == {
        "run": ("POST", "/{endpoint_id}/run"),
        "run_sync": ("POST", "/{endpoint_id}/runsync"),
        "get_status": ("GET", "/{endpoint_id}/status/{job_id}"),
        "get_status_sync": ("GET", "/{endpoint_id}/status-sync/{job_id}"),
        "stream": ("GET", "/{endpoint_id}/stream/{job_id}"),
        "cancel": ("POST", "/{endpoint_id}/cancel/{job_id}"),
        "retry": ("POST", "/{endpoint_id}/retry/{job_id}"),
        "purge_queue": ("POST", "/{endpoint_id}/purge-queue"),
        "health": ("GET", "/{endpoint_id}/health"),
        "post_status": ("POST", "/{endpoint_id}/status/{job_id}"),
        "post_status_sync": ("POST", "/{endpoint_id}/status-sync/{job_id}"),
        "post_stream": ("POST", "/{endpoint_id}/stream/{job_id}"),
        "create_batch": ("POST", "/{endpoint_id}/batch"),
        "list_batches": ("GET", "/{endpoint_id}/batch"),
        "get_batch": ("GET", "/{endpoint_id}/batch/{batch_id}"),
        "update_batch": ("PUT", "/{endpoint_id}/batch/{batch_id}"),
        "add_batch_requests": ("POST", "/{endpoint_id}/batch/{batch_id}/requests"),
        "list_batch_requests": ("GET", "/{endpoint_id}/batch/{batch_id}/requests"),
        "remove_batch_request": ("DELETE", "/{endpoint_id}/batch/{batch_id}/requests/{request_id}"),
        "finalize_batch": ("POST", "/{endpoint_id}/batch/{batch_id}/finalize"),
        "cancel_batch": ("POST", "/{endpoint_id}/batch/{batch_id}/cancel"),
    }


@pytest.mark.parametrize("operation", ALL_OPERATIONS, ids=lambda operation: operation["operationId"])
def test_operation_is_described(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["x-source"]
    assert set(operation["tags"]) <= {tag["name"] for tag in SPEC["tags"]}


def test_what_the_service_calls_has_a_tag_of_its_own() -> None:
    # openapi-generator writes one file per tag for each side, and the second would overwrite the first.
    answered = {tag for _, _, operation in OPERATIONS.values() for tag in operation["tags"]}
    assert answered == {"jobs", "endpoint", "batches", "post-aliases"}
    called = [operation for operation in ALL_OPERATIONS if operation["operationId"] not in OPERATIONS]
    assert {tag for operation in called for tag in operation["tags"]} == {"webhooks"}


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for operation in ALL_OPERATIONS]
    assert len(set(names)) == len(names)
    # the twelve, nine of batches, the webhook and two callbacks
    assert len(names) == 24


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_documents_its_errors(name: str) -> None:
    expected = {"400", "401", "403", "404", "429", "500", "502", "503", "504"}
    if name in {"run", "run_sync", "create_batch", "add_batch_requests", "update_batch"}:
        expected |= {"413"}
    if name in {"run", "run_sync", "retry", "create_batch", "add_batch_requests", "finalize_batch"}:
        expected |= {"402"}
    assert set(OPERATIONS[name][2]["responses"]) - {"200"} == expected


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_has_both_shapes(name: str) -> None:
    for status, response in OPERATIONS[name][2]["responses"].items():
        if status != "200":
            body = resolved(response)["content"]["application/json"]["schema"]
            assert body == {"$ref": "#/components/schemas/Error"}


# Requests and concurrent requests, each 10 seconds; send-requests#rate-limits.
RATE_LIMITS = {
    "run": (1000, 200),
    "run_sync": (2000, 400),
    "get_status": (2000, 400),
    "get_status_sync": (2000, 400),
    "stream": (2000, 400),
    "cancel": (100, 20),
    "purge_queue": (2, None),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_rate_limits_are_the_documented_ones(name: str) -> None:
    twin = name.removeprefix("post_") if name == "post_stream" else name.replace("post_", "get_")
    limit: dict[str, Any] = OPERATIONS[name][2].get("x-rate-limit", {})
    if twin in RATE_LIMITS:
        assert (limit["requests"], limit.get("concurrent")) == RATE_LIMITS[twin]
        assert limit["perSeconds"] == 10
        assert limit["x-source"]
    else:
        assert not limit


@pytest.mark.parametrize("kind", ["schemas", "responses", "securitySchemes"])
def test_every_component_names_its_source(kind: str) -> None:
    assert [name for name, node in SPEC["components"][kind].items() if not node.get("x-source")] == []


def test_query_parameters_name_their_source() -> None:
    queries = {name: node for name, node in SPEC["components"]["parameters"].items() if node["in"] == "query"}
    assert queries
    assert [name for name, node in queries.items() if not node.get("x-source")] == []


def test_sources_carry_a_mark_and_a_known_page() -> None:
    lines: list[str] = [line for _, node in nodes(SPEC) for line in node.get("x-source", [])]
    assert len(lines) > 100
    assert [line for line in lines if not re.match(rf"({'|'.join(MARKS)}): \S", line)] == []
    pages = {page for line in lines for page in re.findall(r"([a-z0-9-]+)#", line)}
    assert pages <= set(SPEC["x-source-pages"])


def test_every_field_has_a_description_and_an_example_or_a_type_of_its_own() -> None:
    missing = [
        "/".join((*pointer, name))
        for pointer, node in nodes(SPEC)
        if pointer and pointer[-1] == "properties"
        for name, field in node.items()
        if "$ref" not in field and "oneOf" not in field and not (field.get("description") and field.get("examples"))
    ]
    assert missing == []


def test_nothing_has_a_default_that_a_client_would_send() -> None:
    found = [pointer for pointer, node in nodes(SPEC) if "default" in node]
    assert found == [("servers", "1", "variables", "baseUrl")]


def test_only_submits_and_changes_of_batches_have_a_request_body() -> None:
    assert {name for name, (_, _, operation) in OPERATIONS.items() if "requestBody" in operation} == {
        "run",
        "run_sync",
        "create_batch",
        "add_batch_requests",
        "update_batch",
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_ids_are_safe_in_a_path(name: str) -> None:
    in_path = {key: one for key, one in parameters(name).items() if one["in"] == "path"}
    assert set(in_path) == set(re.findall(r"{(\w+)}", OPERATIONS[name][0]))
    for one in in_path.values():
        pattern = re.compile(resolved(one["schema"])["pattern"])
        assert pattern.search("60902e6c-08a1-426e-9cb9-9eaec90f5e2b-u1")
        assert [bad for bad in ("", ".", "..", "a/b", "a b", "é", "a" * 129) if pattern.search(bad)] == []


def links_of(name: str) -> dict[str, dict[str, Any]]:
    """Return the links of the good answer of an operation, by the operation that they lead to."""
    response = resolved(OPERATIONS[name][2]["responses"]["200"])
    links = [resolved(link) for link in response.get("links", {}).values()]
    return {link["operationId"]: link for link in links}


def test_links_lead_where_a_caller_goes_next() -> None:
    after_submit = {"get_status", "get_status_sync", "stream", "cancel"}
    assert {name: set(links_of(name)) for name in OPERATIONS if links_of(name)} == {
        "run": after_submit,
        "run_sync": after_submit,
        "retry": {"get_status", "cancel"},
        "create_batch": {"get_batch", "add_batch_requests", "finalize_batch"},
        "add_batch_requests": {"finalize_batch"},
        "finalize_batch": {"list_batch_requests"},
        **{key: {"retry"} for key in ("get_status", "get_status_sync", "post_status", "post_status_sync")},
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_links_fill_the_parameters_of_their_target(name: str) -> None:
    response = resolved(OPERATIONS[name][2]["responses"]["200"])
    answer = resolved(response["content"]["application/json"]["schema"])
    for target, link in links_of(name).items():
        wanted = {key for key, one in parameters(target).items() if one["required"]}
        assert set(link["parameters"]) == wanted
        for expression in link["parameters"].values():
            place, _, field = expression.rpartition("." if "path" in expression else "/")
            assert (
                field in {"$request.path": list(parameters(name)), "$response.body#": answer.get("required", [])}[place]
            )


# --- what generators stumble over; openapi/README.md names them ---


def test_the_first_server_is_a_plain_address() -> None:
    plain, variable = SPEC["servers"]
    assert plain["url"] == "https://api.runpod.ai/v2"
    assert "variables" not in plain
    assert variable["url"] == "{baseUrl}"
    assert variable["variables"] == {"baseUrl": {"default": plain["url"]}}  # more is refused by swagger-parser


def test_every_answer_is_named_by_its_status() -> None:
    # As a key of an object `5XX` is no TypeScript, and no PHP. By `default` generators widen the good answer, and any
    # status would count as documented.
    keys = {status for _, node in nodes(SPEC) if "operationId" in node for status in node.get("responses", {})}
    assert [key for key in keys if not re.fullmatch(r"\d{3}", key)] == []
    assert len(keys) > 10


@pytest.mark.parametrize("name", OPERATIONS)
def test_bodies_and_good_answers_are_written_where_they_belong(name: str) -> None:
    # swagger-typescript-api takes a body that is a reference for no JSON.
    operation = OPERATIONS[name][2]
    assert "content" in operation["responses"]["200"]
    assert "content" in operation.get("requestBody", {"content": {}})


def test_no_secret_is_masked_when_it_is_sent() -> None:
    # datamodel-code-generator makes a SecretStr of it, which is dumped as asterisks.
    assert [pointer for pointer, node in nodes(SPEC) if node.get("format") == "password"] == []


def test_the_description_of_the_whole_is_short() -> None:
    # openapi-generator writes it into every file.
    assert len(SPEC["info"]["description"]) < 200
    assert SPEC["info"]["contact"]["name"]


def test_unions_of_objects_are_oneof() -> None:
    # Of an anyOf Rust gets one struct with all fields.
    assert [pointer for pointer, node in nodes(SPEC) if "anyOf" in node] == []


def test_no_two_enums_share_a_word() -> None:
    # In Go the members of all enums are constants of one package.
    words = [str(word) for _, node in nodes(SPEC) for word in node.get("enum", [])]
    assert len(words) == len(set(words))


def test_no_generator_makes_a_call_of_a_webhook() -> None:
    assert all(item["post"]["x-internal"] is True for item in SPEC["webhooks"].values())


def test_an_error_has_exactly_one_shape() -> None:
    message, problem = {"error": "no"}, {"status": 404, "title": "Not Found", "detail": "no"}
    branches = [schema("ErrorMessage"), schema("Problem")]
    for value in (message, {**message, "id": ID, "status": "FAILED"}, problem, {**problem, "error": "no"}):
        assert [branch.is_valid(value) for branch in branches].count(True) == 1


# --- its examples ---


def examples() -> Iterator[tuple[Pointer, Any]]:
    """Yield the place of a schema and a value that must be valid there, for each example of the document."""
    for pointer, node in nodes(SPEC):
        if "example" in node:
            yield (*pointer, "schema"), node["example"]
        shown: Any = node.get("examples", [])
        if "schema" in node and shown:
            yield from (((*pointer, "schema"), example["value"]) for example in shown.values())
        else:
            yield from ((pointer, value) for value in shown)


EXAMPLES = list(examples())


def test_examples_are_found() -> None:
    assert len(EXAMPLES) > 80


@pytest.mark.one_in(5)
@pytest.mark.parametrize(("pointer", "value"), EXAMPLES, ids=["/".join(pointer) for pointer, _ in EXAMPLES])
def test_example_fits_its_schema(pointer: Pointer, value: Any) -> None:
    validator(pointer).validate(value)


# Answers of the official documentation, word for word.
DOCUMENTED: dict[str, tuple[str, Any]] = {
    "operation-reference#runsync": (
        "Job",
        {
            "delayTime": 824,
            "executionTime": 3391,
            "id": "sync-79164ff4-d212-44bc-9fe3-389e199a5c15",
            "output": [{"image": "https://image.url", "seed": 46578}],
            "status": "COMPLETED",
        },
    ),
    "operation-reference#run": ("SubmittedJob", {"id": "eaebd6e7-6a92-4bb8-a911-f996ac5ea99d", "status": "IN_QUEUE"}),
    "operation-reference#status": (
        "Job",
        {
            "delayTime": 31618,
            "executionTime": 1437,
            "id": "60902e6c-08a1-426e-9cb9-9eaec90f5e2b-u1",
            "output": {
                "input_tokens": 22,
                "output_tokens": 16,
                "text": ["Hello! How can I assist you today?\nUSER: I'm having"],
            },
            "status": "COMPLETED",
        },
    ),
    "operation-reference#stream": (
        "StreamAnswer",
        [
            {
                "metrics": {
                    "avg_gen_throughput": 0,
                    "avg_prompt_throughput": 0,
                    "cpu_kv_cache_usage": 0,
                    "gpu_kv_cache_usage": 0.0016722408026755853,
                    "input_tokens": 0,
                    "output_tokens": 1,
                    "pending": 0,
                    "running": 1,
                    "scenario": "stream",
                    "stream_index": 2,
                    "swapped": 0,
                },
                "output": {"input_tokens": 0, "output_tokens": 1, "text": [" How"]},
            },
        ],
    ),
    "operation-reference#cancel": ("Job", {"id": "724907fe-7bcc-4e42-998d-52cb93e1421f-u1", "status": "CANCELLED"}),
    "operation-reference#retry": (
        "SubmittedJob",
        {"id": "60902e6c-08a1-426e-9cb9-9eaec90f5e2b-u1", "status": "IN_QUEUE"},
    ),
    "operation-reference#purge-queue": ("PurgeResult", {"removed": 2, "status": "completed"}),
    "operation-reference#health": (
        "Health",
        {
            "jobs": {"completed": 1, "failed": 5, "inProgress": 0, "inQueue": 2, "retried": 0},
            "workers": {"idle": 0, "running": 0},
        },
    ),
    "javascript-sdk#health-check": (
        "Health",
        {
            "jobs": {"completed": 72, "failed": 1, "inProgress": 6, "inQueue": 0, "retried": 1},
            "workers": {"idle": 4, "initializing": 0, "ready": 4, "running": 1, "throttled": 0},
        },
    ),
    "javascript-sdk#status": (
        "Job",
        {"delayTime": 18, "id": "792b1497-b2c8-4c95-90bf-4e2a6a2a37ff-u1", "status": "IN_PROGRESS", "started": True},
    ),
    "javascript-sdk#stream": ("StreamAnswer", [{"output": "H"}, {"output": "e"}]),
    "javascript-sdk#execution-policy": (
        "RunRequest",
        {"input": {"prompt": "Hello, World!"}, "policy": {"executionTimeout": 5000}},
    ),
}


@pytest.mark.parametrize("page", DOCUMENTED)
def test_documented_sample_fits_the_document(page: str) -> None:
    name, value = DOCUMENTED[page]
    schema(name).validate(value)


ID = "a-u1"
WRONG: list[tuple[str, Any]] = [
    ("JobStatus", "DONE"),
    ("JobStatus", "completed"),
    ("JobStatus", 404),
    ("JobId", ""),
    ("JobId", "a/b"),
    ("Job", {"id": ID, "status": "DONE"}),
    ("Job", {"id": ID, "status": 404}),
    ("Job", {"id": ID}),
    ("Job", {"status": "FAILED"}),
    ("Job", {"id": 5, "status": "FAILED"}),
    ("Job", {"id": ID, "status": "FAILED", "delayTime": "18"}),
    ("Job", {"id": ID, "status": "FAILED", "executionTime": -1}),
    ("Job", {"id": ID, "status": "FAILED", "retries": 1.5}),
    ("Job", {"id": ID, "status": "FAILED", "workerId": None}),
    ("Job", {"status": 404, "title": "Not Found", "detail": "job not found"}),
    ("SubmittedJob", {"error": "no"}),
    ("StreamAnswer", {"status": "IN_PROGRESS"}),
    ("StreamAnswer", {"stream": []}),
    ("StreamAnswer", {"status": "IN_PROGRESS", "stream": [{}]}),
    ("StreamAnswer", {"status": "IN_PROGRESS", "stream": ["H"]}),
    ("StreamAnswer", ["H"]),
    ("StreamAnswer", [{"output": "H", "metrics": "fast"}]),
    ("PurgeResult", {"removed": -1, "status": "completed"}),
    ("PurgeResult", {"removed": 1}),
    ("Health", {"jobs": {}, "workers": {"idle": 0, "running": 0}}),
    ("HealthWorkers", {"idle": 0}),
    ("HealthWorkers", {"idle": 0, "running": 0, "ready": "1"}),
    ("Error", {"status": "FAILED"}),
    ("Error", "no"),
    ("RunRequest", {"input": []}),
    ("RunRequest", {"input": "x"}),
    ("RunRequest", {"input": {}, "webhook": 1}),
    ("Policy", {"executionTimeout": 4_999}),
    ("Policy", {"executionTimeout": 604_800_001}),
    ("Policy", {"ttl": 9_999}),
    ("Policy", {"ttl": 604_800_001}),
    ("Policy", {"lowPriority": "no"}),
    ("S3Config", {"accessId": "a", "accessSecret": "b", "bucketName": "c"}),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_document_refuses(name: str, value: Any) -> None:
    assert not schema(name).is_valid(value)


@pytest.mark.parametrize("value", [{}, {"input": None}, {"input": {}}, {"input": {"prompt": "Hi"}}])
def test_an_input_may_be_anything_but_a_list_or_a_scalar(value: Any) -> None:
    assert schema("RunRequest").is_valid(value)


@pytest.mark.parametrize("name", ["Wait", "WaitStatusSync", "WaitStream"])
def test_wait_is_bounded(name: str) -> None:
    bounds = validator(("components", "parameters", name, "schema"))
    assert [value for value in (999, 1_000, 300_000, 300_001, "1000") if bounds.is_valid(value)] == [1_000, 300_000]


def test_unknown_fields_are_allowed_wherever_the_service_may_add_some() -> None:
    assert [pointer for pointer, node in nodes(SPEC) if node.get("additionalProperties") is False] == []


# --- the generated client ---


def answers() -> Iterator[tuple[str, int, Any]]:
    """Yield operation, HTTP status and body for each JSON answer that the document shows."""
    for name, (_, _, operation) in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if status.isdigit():
                shown = resolved(response)["content"]["application/json"].get("examples", {})
                yield from ((name, int(status), example["value"]) for example in shown.values())


def as_json(parsed: Any) -> Any:
    """Turn what the generated client parsed back into JSON."""
    return parsed.to_dict() if hasattr(parsed, "to_dict") else [item.to_dict() for item in parsed]


def parse(name: str, response: httpx.Response) -> Any:
    """Parse an answer as the generated module of an operation does."""
    client = AuthenticatedClient(base_url="https://example.com/v2", token="key")  # noqa: S106 - no secret
    return module(name)._parse_response(client=client, response=response)


@pytest.mark.one_in(5)
@pytest.mark.parametrize(("name", "status", "body"), list(answers()))
def test_generated_client_keeps_every_shown_answer(name: str, status: int, body: Any) -> None:
    assert as_json(parse(name, httpx.Response(status, json=body))) == body


@pytest.mark.parametrize("status", [413, 502, 503, 504])
def test_generated_client_takes_what_an_edge_answers(status: int) -> None:
    assert parse("run", httpx.Response(status, html="<html>gateway</html>")) == "<html>gateway</html>"
    assert parse("run", httpx.Response(status)) == ""


def test_generated_client_tells_the_error_shapes_apart() -> None:
    message = parse("run_sync", httpx.Response(400, json={"error": "wait is invalid"}))
    problem = parse(
        "get_status", httpx.Response(404, json={"status": 404, "title": "Not Found", "detail": "job not found"})
    )
    assert isinstance(message, models.ErrorMessage)
    assert isinstance(problem, models.Problem)


@pytest.mark.parametrize("value", [None, "", "text", 0, 1.5, False, [], ["H", None], {}, {"error": {"deep": [1]}}])
def test_generated_job_keeps_any_output_and_error(value: Any) -> None:
    body = {"id": ID, "status": "FAILED", "output": value, "error": value}
    assert Job.from_dict(body).to_dict() == body


def test_generated_models_keep_unknown_fields() -> None:
    body = {"id": ID, "status": "IN_QUEUE", "somethingNew": {"deep": [1, None]}}
    assert Job.from_dict(body).to_dict() == body
    chunks = {"status": "IN_PROGRESS", "stream": [{"output": 1, "new": 2}], "new": 3}
    assert StreamResult.from_dict(chunks).to_dict() == chunks


def test_absent_fields_stay_absent() -> None:
    body = {"id": ID, "status": "IN_QUEUE"}
    assert Job.from_dict(body).to_dict() == body


def test_generated_status_lists_what_the_document_lists() -> None:
    assert sorted(JobStatus) == sorted(SPEC["components"]["schemas"]["JobStatus"]["enum"])


def test_unknown_status_is_kept() -> None:
    status = JobStatus("NEW")
    assert status == "NEW"
    assert str(status) == "NEW"
    assert json.dumps(status) == '"NEW"'
    assert len({status, JobStatus("NEW"), "NEW"}) == 1
    body = {"id": ID, "status": "NEW"}
    assert Job.from_dict(body).to_dict() == body


def test_unknown_status_does_not_become_a_known_one() -> None:
    JobStatus("NEW")
    assert "NEW" not in list(JobStatus)
    assert "NEW" not in JobStatus.__members__


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", ["NEW", "COMPLETED"])
def test_status_survives_pickle_and_copy(value: str, protocol: int) -> None:
    status = JobStatus(value)
    for twin in (pickle.loads(pickle.dumps(status, protocol)), copy.deepcopy(status)):  # noqa: S301 - our own bytes
        assert twin == status
        assert isinstance(twin, JobStatus)


def test_known_status_is_one_object() -> None:
    assert JobStatus("FAILED") is JobStatus.FAILED
    assert pickle.loads(pickle.dumps(JobStatus.FAILED)) is JobStatus.FAILED  # noqa: S301 - our own bytes


@pytest.mark.parametrize("value", [404, None, ["FAILED"]])
def test_status_that_is_no_string_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid JobStatus"):
        JobStatus(value)


def test_generated_requests_send_only_what_was_given() -> None:
    body = RunRequest(input_=JobInput.from_dict({"prompt": "Hi", "input": 1}))
    assert module("run")._get_kwargs("ep", body=body) == {
        "method": "post",
        "url": "/ep/run",
        "json": {"input": {"prompt": "Hi", "input": 1}},
        "headers": {"Content-Type": "application/json"},
    }
    assert module("run_sync")._get_kwargs("ep", body=body)["params"] == {}
    assert module("run_sync")._get_kwargs("ep", body=body, wait=1000)["params"] == {"wait": 1000}
    assert module("get_status")._get_kwargs("ep", "a-u1") == {"method": "get", "url": "/ep/status/a-u1", "params": {}}
    assert module("stream")._get_kwargs("ep", "a-u1", wait=1000)["params"] == {"wait": 1000}


def test_generated_request_uses_the_names_of_the_service() -> None:
    policy = Policy(execution_timeout=5000, ttl=10_000, low_priority=True)
    body = RunRequest(input_=JobInput(), policy=policy, webhook="https://example.com")
    body["unknown"] = 1
    sent = {
        "input": {},
        "policy": {"executionTimeout": 5000, "ttl": 10_000, "lowPriority": True},
        "webhook": "https://example.com",
        "unknown": 1,
    }
    assert body.to_dict() == sent
    schema("RunRequest").validate(sent)


# --- the drift check ---


def test_drift_names_each_file_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.spec_from_file_location("generate", ROOT / "openapi" / "generate.py")
    assert found is not None
    assert found.loader is not None
    generate = importlib.util.module_from_spec(found)
    found.loader.exec_module(generate)
    tree, fresh = tmp_path / "tree", tmp_path / "fresh"
    for root, files in (
        (tree, {"same.py": "1", "old.py": "1", "changed.py": "1"}),
        (fresh, {"same.py": "1", "new.py": "1", "changed.py": "2"}),
    ):
        client = root / generate.CLIENT
        client.mkdir(parents=True)
        for name, text in files.items():
            (client / name).write_text(text)
        generate.write_document(root, SPEC)
    monkeypatch.setattr(generate, "ROOT", tree)
    assert generate.differences(fresh) == [
        "different: generated/runpod_queue_client/changed.py",
        "missing:   generated/runpod_queue_client/new.py",
        "stale:     generated/runpod_queue_client/old.py",
    ]
    (tree / generate.DOCUMENT).write_text("{}")
    assert "different: runpod_sdk/emulator/openapi.json" in generate.differences(fresh)
    (fresh / generate.EDITION).write_text("{}")
    assert "different: generated/runpod-queue-3.0.openapi.json" in generate.differences(fresh)
