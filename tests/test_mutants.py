"""The mutants runner itself: a verdict is only as good as what it refuses to count."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

RUNNER = Path(__file__).parent / "mutants" / "run.py"
CHECK = "tests/test_it.py::test_it"


def load_runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants_run", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


runner = load_runner()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tree with nothing but a folder for tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # none is needed here, and loading them takes a second
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def survival(tree: Path, test: str) -> str | None:
    (tree / "tests" / "test_it.py").write_text(test)
    reason: str | None = runner.survival(CHECK, tree)
    return reason


def test_a_failing_test_kills(tree: Path) -> None:
    assert survival(tree, "def test_it():\n    assert 1 == 2\n") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "reason"),
    [
        pytest.param("def test_it():\n    pass\n", "SURVIVED", id="passes"),
        pytest.param("import no_such_module\n", "no verdict", id="cannot be collected"),
        pytest.param("def test_other():\n    assert 0\n", "no verdict", id="is gone"),
        pytest.param(
            "import pytest\n@pytest.fixture\ndef it():\n    assert 0\ndef test_it(it):\n    pass\n",
            "no verdict",
            id="fails before it began",
        ),
    ],
)
def test_anything_but_a_failing_test_is_no_kill(tree: Path, test: str, reason: str) -> None:
    assert reason in str(survival(tree, test))


def test_a_header_names_the_bug_and_its_checks(tmp_path: Path) -> None:
    patch = tmp_path / "x.patch"
    patch.write_text("# bug: b\n# killed-by: lint-imports\n# killed-by: tests/t.py::t\ndiff --git a/x b/x\n# bug: no\n")
    mutant = runner.read_mutant(patch)
    assert (mutant.bug, mutant.checks) == ("b", ("lint-imports", "tests/t.py::t"))


@pytest.mark.parametrize("header", ["", "# bug: b\n", "# killed-by: tests/t.py::t\n", "# bug: b\n# kills: x\n"])
def test_an_incomplete_header_is_refused(tmp_path: Path, header: str) -> None:
    patch = tmp_path / "x.patch"
    patch.write_text(header + "diff --git a/x b/x\n")
    with pytest.raises(runner.BadPatchError):
        runner.read_mutant(patch)


def test_a_patch_that_does_not_apply_is_refused(tree: Path) -> None:
    (tree / "code.txt").write_text("now\n")
    patch = tree / "x.patch"
    patch.write_text(
        "# bug: b\n# killed-by: lint-imports\n"
        "diff --git a/code.txt b/code.txt\n--- a/code.txt\n+++ b/code.txt\n@@ -1 +1 @@\n-then\n+never\n"
    )
    with pytest.raises(runner.BadPatchError, match="does not apply"):
        runner.plant(runner.read_mutant(patch), tree)
    patch.write_text(patch.read_text().replace("-then", "-now"))
    runner.plant(runner.read_mutant(patch), tree)
    assert (tree / "code.txt").read_text() == "never\n"


def test_parts_are_all_of_them_and_share_none() -> None:
    whole, *parts = (runner.chosen(words) for words in ([], ["--part", "1/2"], ["--part", "2/2"]))
    assert sorted(parts[0] + parts[1]) == whole
    assert set(parts[0]).isdisjoint(parts[1])
    assert runner.chosen(["--part", "1/1", "alarm"]) == runner.chosen(["alarm"])
