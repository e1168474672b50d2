"""The command that compares: what it prints, and its exit codes."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compare import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def older(document: dict[str, Any], tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """Return a copy of the document, and where to write what becomes of it."""
    return copy.deepcopy(document), tmp_path / "old.json"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main([*argv, "--rules-only"])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.slow
def test_with_itself_it_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(ROOT / "openapi" / "runpod-queue.yaml"))
    assert (code, out) == (0, "no changes that clients could notice\n")


def test_what_does_not_break_exits_with_0(
    capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]
) -> None:
    document, path = older
    del document["components"]["schemas"]["Policy"]["properties"]["lowPriority"]
    path.write_text(json.dumps(document), encoding="utf-8")
    code, out, _ = run(capsys, str(path))
    assert code == 0
    assert out == (
        "ok      schema Policy, in requests: optional field lowPriority added\n\n1 change, none of them breaking\n"
    )


@pytest.mark.slow
def test_what_breaks_exits_with_1(capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]) -> None:
    document, path = older
    document["components"]["schemas"]["Policy"]["properties"]["queue"] = {"type": "string"}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")  # pyright: ignore[reportUnknownMemberType]
    code, out, _ = run(capsys, str(path))
    assert code == 1
    assert out == "BREAKS  schema Policy, in requests: field queue removed\n\n1 change, 1 of them breaking\n"


def test_two_files_are_compared(capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]) -> None:
    document, path = older
    document["paths"].clear()
    path.write_text(json.dumps(document), encoding="utf-8")
    assert run(capsys, str(path), str(path))[0] == 0
    assert run(capsys, str(ROOT / "openapi" / "runpod-queue.yaml"), str(path))[0] == 1


@pytest.mark.slow
def test_names_that_are_generated_are_compared_too(
    capsys: pytest.CaptureFixture[str],
    older: tuple[dict[str, Any], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where no Node is
    document, path = older
    document["components"]["schemas"]["Policy"]["title"] = "Limits"
    path.write_text(json.dumps(document), encoding="utf-8")
    code = main([str(path)])
    out, err = capsys.readouterr()
    assert code == 1
    assert "BREAKS  Python: models.limits is gone\n" in out
    assert err == "left out: npx is not on PATH: the names of TypeScript types are not compared\n"


@pytest.mark.slow
def test_yaml_with_statuses_as_numbers_and_dates_is_read(
    capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]
) -> None:
    document, path = older
    dumped = yaml.safe_dump({**document, "x-date": "DATE"})  # pyright: ignore[reportUnknownMemberType]
    text = dumped.replace("DATE", "2026-01-01")
    path.write_text(re.sub(r"'(\d{3})':", r"\1:", text), encoding="utf-8")
    assert 200 in yaml.safe_load(path.read_text(encoding="utf-8"))["paths"]["/{endpoint_id}/run"]["post"]["responses"]
    assert run(capsys, str(path))[:2] == (0, "no changes that clients could notice\n")


def test_as_json_it_says_the_same(capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]) -> None:
    document, path = older
    document["paths"]["/{endpoint_id}/pause"] = {"post": {"operationId": "pause", "responses": {}}}
    path.write_text(json.dumps(document), encoding="utf-8")
    code, out, _ = run(capsys, str(path), "--json")
    assert code == 1
    assert json.loads(out) == {
        "fails": True,
        "problems": [],
        "changes": [{"where": "POST /{endpoint_id}/pause", "what": "removed", "is_breaking": True}],
    }


def test_the_document_of_this_tree_may_be_released(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--released")
    assert code == 0, out


def test_a_document_that_may_not_be_released_exits_with_1(
    capsys: pytest.CaptureFixture[str],
    older: tuple[dict[str, Any], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    document, _ = older
    (tmp_path / "released").mkdir()
    last = tmp_path / "released" / f"queue-{document['info']['version']}.openapi.json"
    document["info"]["summary"] = "other words"
    last.write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr("compare.HERE", tmp_path)
    code, out, _ = run(capsys, "--released")
    assert code == 1
    assert out.startswith("no changes that clients could notice\n\n")
    assert "is released already, with other contents" in out


@pytest.mark.parametrize("argv", [[], ["a", "--released"]])
def test_either_a_file_or_the_releases(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b"[]", "an object expected, not list"),
        (b"{a: [", "neither JSON nor YAML"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a: " + b"[" * 100_000, "nested too deeply"),
        (b"a: &a [*a]", "no JSON could hold it: Circular reference detected"),
        (b"2026-01-02: a", "no JSON could hold it: keys must be str"),
        (b"{}", "OpenAPI 3 expected"),
        (b'{"openapi": "3.1.0", "paths": []}', "no valid OpenAPI 3"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_document_exits_with_2(
    content: bytes | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.yaml"
    if content is not None:
        path.write_bytes(content)
    code, out, err = run(capsys, str(path))
    assert (code, out) == (2, "")
    assert err.startswith("compare: ")
    assert reason in err
