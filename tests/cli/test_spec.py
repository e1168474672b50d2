"""The command spec: what it prints, and with which exit codes."""

import sys
from pathlib import Path

import pytest

from runpod_sdk.cli import main
from tests.spec import read, spec

ROOT = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["spec", *argv])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("argv", [[], ["--json"]])
def test_json_is_the_document_byte_for_byte(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    document = (ROOT / "runpod_sdk" / "emulator" / "openapi.json").read_text(encoding="utf-8")
    assert run(capsys, *argv) == (0, document, "")


def test_yaml_says_the_same_as_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--yaml")
    assert code == 0
    assert read(out) == spec()
    assert "\n  description: |\n" in out


def test_yaml_without_pyyaml_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert run(capsys, "--yaml") == (2, "", "YAML needs PyYAML: pip install 'runpod-sdk[cli]'\n")


def test_options_that_contradict_each_other_exit_with_2() -> None:
    with pytest.raises(SystemExit) as raised:
        main(["spec", "--json", "--yaml"])
    assert raised.value.code == 2
