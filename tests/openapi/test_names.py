"""The names that generators make of two documents: what is gone breaks, whichever way it went."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparison import MissingToolError, names_changes
from comparison._names import lost, module_names, python_names, type_names

pytestmark = pytest.mark.slow

Document = dict[str, Any]
Edit = Callable[[Document], Any]
PATHS = ("run", "runsync", "cancel/{job_id}", "health", "purge-queue")


def operation(document: Document, path: str = "/{endpoint_id}/health") -> Document:
    found: Document = next(value for key, value in document["paths"][path].items() if key != "parameters")
    return found


def schemas(document: Document) -> Document:
    found: Document = document["components"]["schemas"]
    return found


@pytest.fixture(scope="module")
def small(document: Document) -> Document:
    """Return the document with few of its paths, which is generated in less time."""
    kept = {path: document["paths"][path] for path in (f"/{{endpoint_id}}/{name}" for name in PATHS)}
    return {key: value for key, value in document.items() if key != "webhooks"} | {"paths": kept}


@pytest.fixture(scope="module")
def was(small: Document) -> set[str]:
    """Return the names that the old client has."""
    return python_names(small)


def gone(small: Document, was: set[str], edit: Edit) -> list[str]:
    """Return what a Python client of the old document misses after an edit."""
    new = copy.deepcopy(small)
    edit(new)
    return lost(was, python_names(new))


def inline_policy(document: Document) -> None:
    schemas(document)["RunRequest"]["properties"]["policy"] = copy.deepcopy(schemas(document)["Policy"])


GONE: dict[str, tuple[Edit, str]] = {
    "a value of an enum is removed": (
        lambda d: schemas(d)["JobStatus"]["enum"].remove("RUNNING"),
        "models.job_status.JobStatus.RUNNING",
    ),
    "an operation moves to another tag": (lambda d: operation(d).update(tags=["jobs"]), "api.endpoint.health"),
    "an operation gets another name": (lambda d: operation(d).update(operationId="counts"), "api.endpoint.health"),
    "a schema gets a title": (lambda d: schemas(d)["Policy"].update(title="Limits"), "models.policy"),
    "a reference is written out": (inline_policy, "models.run_request.RunRequest.policy as Policy"),
    "a field is renamed": (
        lambda d: schemas(d)["Job"]["properties"].update(worker=schemas(d)["Job"]["properties"].pop("workerId")),
        "models.job.Job.worker_id",
    ),
    "an enum becomes a string": (lambda d: schemas(d)["JobStatus"].pop("enum"), "models.job_status"),
    "a parameter is renamed": (
        lambda d: d["components"]["parameters"]["Wait"].update(name="hold"),
        "api.jobs.run_sync.asyncio(wait)",
    ),
    "an answer is of another schema": (
        lambda d: operation(d, "/{endpoint_id}/cancel/{job_id}")["responses"]["200"]["content"][
            "application/json"
        ].update(schema={"$ref": "#/components/schemas/SubmittedJob"}),
        "api.jobs.cancel.sync as Job",
    ),
}
STAYS: dict[str, Edit] = {
    "a reference stands in allOf": lambda d: schemas(d)["RunRequest"]["properties"].update(
        policy={"allOf": [{"$ref": "#/components/schemas/Policy"}]}
    ),
    "writeOnly is dropped": lambda d: [
        field.pop("writeOnly") for field in schemas(d)["S3Config"]["properties"].values()
    ],
    "oneOf becomes anyOf": lambda d: schemas(d)["Error"].update(anyOf=schemas(d)["Error"].pop("oneOf")),
    "there is more of everything": lambda d: (
        schemas(d)["JobStatus"]["enum"].append("PAUSED"),
        schemas(d)["Job"]["properties"].update(cost={"type": "number"}),
        schemas(d).update(Cost={"type": "object", "properties": {"sum": {"type": "number"}}}),
        operation(d, "/{endpoint_id}/run")
        .setdefault("parameters", [])
        .append({"name": "dry", "in": "query", "schema": {"type": "boolean"}}),
    ),
}


QUICK = "a value of an enum is removed"
FEW = [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GONE]


@pytest.mark.parametrize("name", FEW)
def test_names_are_gone_when(name: str, small: Document, was: set[str]) -> None:
    edit, expected = GONE[name]
    assert expected in gone(small, was, edit)


@pytest.mark.slow
@pytest.mark.parametrize("name", STAYS)
def test_no_name_is_gone_when(name: str, small: Document, was: set[str]) -> None:
    assert gone(small, was, STAYS[name]) == []


def test_what_is_gone_as_a_whole_is_told_once() -> None:
    whole = {"api.endpoint.health", "api.endpoint.health.sync", "api.endpoint.health.sync(client)", "api.jobs.run.sync"}
    rest = {"api.jobs.run.sync"}
    assert lost(whole, rest) == ["api.endpoint.health"]
    assert lost(whole, rest | {"api.endpoint.health"}) == ["api.endpoint.health.sync"]
    assert lost({"a.B", "a.Bc"}, set()) == ["a.B", "a.Bc"]


def test_a_class_that_is_no_longer_spoken_of_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    module = tmp_path / "models" / "job.py"
    module.write_text(
        """
from ..models.policy import Policy
from ..types import UNSET, Unset

class Job:
    limit: "Policy | Unset" = UNSET
    _hidden: int = 0
    DONE = "DONE"

    def to_dict(self) -> Policy: ...

def sync(name: str, *, limit: Policy | Unset = UNSET) -> Policy | None: ...

def _parse() -> None: ...
"""
    )
    assert set(module_names(module, tmp_path)) == {
        "models.job",
        "models.job.Job",
        "models.job.Job.limit",
        "models.job.Job.limit as Policy",
        "models.job.Job.DONE",
        "models.job.sync",
        "models.job.sync(name)",
        "models.job.sync(name) as argument 0",
        "models.job.sync(limit)",
        "models.job.sync(limit) as Policy",
        "models.job.sync as Policy",
    }


def test_names_in_typescript() -> None:
    text = """
export interface paths {
    "/{id}/run": {
        parameters: {
            query?: never;
        };
        get?: never;
        /** Submit */
        post: operations["run"];
    };
}
export interface components {
    schemas: {
        Job: {
            id: string;
        };
    };
    requestBodies: never;
    responses: {
        /** @description Taken */
        Taken: {
            headers: {
                [name: string]: unknown;
            };
        };
    };
}
export interface operations {
    run: {
        parameters: {
            query?: {
                wait?: number;
            };
            header?: never;
        };
        requestBody: components["requestBodies"]["Run"];
    };
}
"""
    assert set(type_names(text)) == {
        "paths./{id}/run.post",
        "components.schemas.Job",
        "components.responses.Taken",
        "operations.run",
        "operations.run.parameters.query.wait",
    }


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npx") is None, reason="TypeScript's generator needs Node")
def test_a_renamed_body_is_gone_in_typescript(small: Document) -> None:
    old, new = copy.deepcopy(small), copy.deepcopy(small)
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/RunRequest"}}}}
    old["components"]["requestBodies"] = {"Former": body}
    new["components"]["requestBodies"] = {"Latter": body}
    assert [change.what for change in names_changes(old, new)] == ["components.requestBodies.Former is gone"]


def test_without_a_generator_it_says_so(document: Document, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingToolError, match="openapi-python-client"):
        names_changes(document, document)
