"""What a release is made of: who may publish, what is checked before, and what its metadata promises."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from runpod_sdk import __version__

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOKENS = re.compile(r"secrets\.|PYPI_TOKEN|password:", re.IGNORECASE)


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")))


def test_only_the_job_that_publishes_may_act_for_the_project_and_without_a_secret() -> None:
    release = workflow("release.yml")
    assert release["permissions"] == {}
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads "on" as true
    jobs = release["jobs"]
    assert {name: sorted(job["permissions"]) for name, job in jobs.items()} == {
        "check": ["contents"],
        "build": ["attestations", "contents", "id-token"],
        "publish": ["id-token"],
        "announce": ["contents"],
    }
    assert [name for name, job in jobs.items() if job["permissions"].get("contents") == "write"] == ["announce"]
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert [step.get("uses", "").partition("@")[0] for step in jobs["publish"]["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    order = ("build", "check"), ("publish", "build"), ("announce", "publish")
    assert all(jobs[job]["needs"] == before for job, before in order)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_holds_no_secret_and_keeps_no_credentials(path: Path) -> None:
    assert not TOKENS.search(path.read_text(encoding="utf-8"))
    for job in workflow(path.name)["jobs"].values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_others_wrote_is_named_by_its_commit(path: Path) -> None:
    """A tag can be moved by whoever takes over its repository; of which release the commit is, a comment says."""
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    foreign = [each for each in used if not each.startswith("./")]
    assert foreign
    assert [each for each in foreign if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


def test_the_bill_that_is_attested_is_named_in_full() -> None:
    """The action reads one file, and knows no patterns."""
    steps = workflow("release.yml")["jobs"]["build"]["steps"]
    [named] = [step["with"]["sbom-path"] for step in steps if "sbom-path" in step.get("with", {})]
    [step, output] = re.findall(r"steps\.(\w+)\.outputs\.(\w+) }}$", named)[0]
    [script] = [each["run"] for each in steps if each.get("id") == step]
    assert f"{output}=%s" in script


def test_the_tag_is_compared_with_the_version_as_it_is_written() -> None:
    [check] = [step for step in workflow("release.yml")["jobs"]["build"]["steps"] if "tag" in step.get("name", "")]
    [pattern] = re.findall(r"s/(\^__version__.*)/\\1/p", check["run"])
    source = (ROOT / "runpod_sdk" / "_values" / "_version.py").read_text(encoding="utf-8")
    python = pattern.replace(r"\(", "(").replace(r"\)", ")")
    assert re.findall(python, source, re.MULTILINE) == [__version__]


def test_each_python_that_is_promised_is_tested() -> None:
    tested = set(workflow("check.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"])
    promise = re.compile(r"Programming Language :: Python :: (3\.\d+)$")
    classifiers: list[str] = PROJECT["project"]["classifiers"]
    named = {found[1] for found in map(promise.match, classifiers) if found is not None}
    assert named <= tested
    assert PROJECT["project"]["requires-python"] == f">={min(named, key=lambda text: int(text.split('.')[1]))}"
    nox = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    [listed] = re.findall(r"^PYTHONS = \[(.*)\]$", nox, re.MULTILINE)
    assert {name.strip('" ') for name in listed.split(",")} == tested


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_for_something_and_has_names_of_its_own(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)
