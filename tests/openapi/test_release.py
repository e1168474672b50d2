"""What the version of a document has to be, given what was released before."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from comparison import Change, InvalidDocumentError, gate
from comparison._release import Version, version_of

RELEASED = Path(__file__).parents[2] / "openapi" / "released"


def of(version: Any, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"version": version}, **more}


def judged(document: dict[str, Any], folder: Path, *, breaks: bool = False) -> list[str]:
    change = Change(where="it", what="changed", is_breaking=breaks)
    return gate(document, folder, lambda old, new: [] if old == new else [change])[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    release(tmp_path, of("1.2.0"))
    return tmp_path


def release(folder: Path, document: dict[str, Any]) -> None:
    path = folder / f"queue-{document['info']['version']}.openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")


def test_nothing_was_released(tmp_path: Path) -> None:
    assert judged(of("0.0.1"), tmp_path) == []


def test_the_release_itself_passes(folder: Path) -> None:
    assert judged(of("1.2.0"), folder) == []


@pytest.mark.parametrize("breaks", [False, True])
def test_other_contents_need_another_version(folder: Path, *, breaks: bool) -> None:
    problems = judged(of("1.2.0", tags=[]), folder, breaks=breaks)
    assert problems[0] == "1.2.0 is released already, with other contents: info.version has to be another"


@pytest.mark.parametrize("version", ["1.2.1", "1.3.0", "1.3.0-rc.1", "2.0.0"])
def test_what_breaks_nothing_needs_a_later_version(folder: Path, version: str) -> None:
    assert judged(of(version, tags=[]), folder) == []


@pytest.mark.parametrize("version", ["1.1.9", "0.9.0", "1.2.0-rc.1"])
def test_an_older_version_is_refused(folder: Path, version: str) -> None:
    assert judged(of(version), folder) == [f"{version} is older than what was released, 1.2.0"]


@pytest.mark.parametrize(
    ("version", "passes"), [("1.2.1", False), ("1.3.0", False), ("2.0.0-rc.1", True), ("2.0.0", True), ("3.0.0", True)]
)
def test_what_breaks_needs_a_new_major_version(folder: Path, version: str, *, passes: bool) -> None:
    problems = judged(of(version, tags=[]), folder, breaks=True)
    assert problems == (
        [] if passes else ["1 of the changes since 1.2.0 break clients: that needs a new major version"]
    )


@pytest.mark.parametrize(("version", "passes"), [("0.1.1", False), ("0.2.0", True), ("1.0.0", True)])
def test_before_1_0_0_a_new_minor_version_will_do(tmp_path: Path, version: str, *, passes: bool) -> None:
    release(tmp_path, of("0.1.0"))
    assert (judged(of(version, tags=[]), tmp_path, breaks=True) == []) is passes


def test_what_only_a_pre_release_had_may_be_broken(folder: Path) -> None:
    release(folder, of("2.0.0-rc.1", tags=[]))
    assert judged(of("2.0.0-rc.2"), folder, breaks=True) == []
    assert judged(of("2.0.0"), folder, breaks=True) == []
    assert judged(of("2.0.0-rc.1"), folder) == [
        "2.0.0-rc.1 is released already, with other contents: info.version has to be another"
    ]


def test_what_breaks_is_counted_from_the_last_final_release(folder: Path) -> None:
    release(folder, of("1.3.0-rc.1", tags=[]))
    seen: list[Any] = []

    def changes_between(old: dict[str, Any], _: dict[str, Any]) -> list[Change]:
        seen.append(old["info"]["version"])
        return []

    gate(of("1.3.0"), folder, changes_between)
    assert seen == ["1.2.0"]


def test_a_first_pre_release_may_be_broken(tmp_path: Path) -> None:
    release(tmp_path, of("1.0.0-rc.1"))
    assert judged(of("1.0.0", tags=[]), tmp_path, breaks=True) == []


def test_two_documents_with_one_version_are_refused(folder: Path) -> None:
    (folder / "other-1.2.0.openapi.json").write_text(json.dumps(of("1.2.0", tags=[])), encoding="utf-8")
    assert judged(of("1.3.0"), folder) == ["queue-1.2.0.openapi.json: 1.2.0 is there twice"]


def test_a_build_is_no_other_version(folder: Path) -> None:
    assert judged(of("1.2.0+build.7"), folder)[0].startswith("1.2.0 is released already")


def test_a_file_that_holds_another_version_is_refused(folder: Path) -> None:
    (folder / "queue-1.2.0.openapi.json").write_text(json.dumps(of("1.1.0")), encoding="utf-8")
    assert judged(of("1.3.0"), folder) == ["queue-1.2.0.openapi.json: holds 1.1.0"]


@pytest.mark.parametrize(
    "version", [None, 1, "", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-rc..1", "1.0.0 "]
)
def test_what_is_no_version_is_refused(folder: Path, version: Any) -> None:
    with pytest.raises(InvalidDocumentError, match=r"no version such as 1\.2\.3"):
        judged(of(version), folder)


def test_versions_are_ordered_as_semantic_versioning_says() -> None:
    # https://semver.org/#spec-item-11
    order = [
        "1.0.0-1",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
    ]
    order += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0-0", "2.0.0"]
    versions = [version_of(of(one)) for one in order]
    assert sorted(versions) == versions
    assert sorted(versions, reverse=True) == versions[::-1]
    assert all(one < other for one, other in itertools.combinations(versions, 2))


def test_a_version_is_a_value() -> None:
    assert version_of(of("1.0.0-rc.1")) == Version((1, 0, 0), ("rc", "1"))


def test_each_release_that_is_kept_is_named_by_its_version() -> None:
    kept = sorted(RELEASED.glob("*.openapi.json"))
    assert kept
    assert [path.name for path in kept] == [
        f"runpod-queue-{json.loads(path.read_text(encoding='utf-8'))['info']['version']}.openapi.json" for path in kept
    ]
