"""The documentation shows only what runs: each block of each page, in order, as a reader would run it.

What a block's fence says of it:

- `python`: run, in the names of its page; with a file's name as title: written to the page's folder.
- `sh`: run by bash in that folder; what it exports stays. `title="one terminal"`: left running until the page's end.
- `text title="prints"`: what the block before it printed; `...` stands for anything. With a file's name: that file.
- `py`: lines of an example, whose own test runs them; named by its title.
- `shell`: not run, since it would install; the extras that it names exist. No prompts: what is copied runs.

One allowance: port 8000 of the text is a free one. A page that starts no emulator finds its `handler.py` served as the
endpoint "abc123".
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Emulator
from tests.collector import unset

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
KEPT_RUNNING = "one terminal"
_FENCE = re.compile(
    r"^```(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
_RUNNING = {"python", "sh"}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block, and the line of the page on which its code begins."""

    language: str
    title: str
    code: str
    line: int

    @property
    def is_file(self) -> bool:
        return "." in self.title


def blocks_of(page: str) -> list[Block]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(found["language"], found["title"] or "", found["code"], text.count("\n", 0, found.start("code")) + 1)
        for found in _FENCE.finditer(text)
    ]


RUN = [page for page in PAGES if any(block.language in _RUNNING for block in blocks_of(page))]
# They start a process for most of their blocks.
SLOW = ("cli.md", "testing.md")
# What a page needs that the tests' environment may lack; `nox -s examples` has it.
NEEDED = {"recipes.md": "pandas"}


class Reader:
    """Does what a page says, in a folder of its own."""

    def __init__(self, page: str, folder: Path, environment: dict[str, str]) -> None:
        self._page = page
        self._folder = folder
        self._environment = environment
        self._port = _free_port()
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._printed = ""

    def read(self, blocks: list[Block], left_running: contextlib.ExitStack) -> None:
        for block in blocks:
            if block.is_file:
                path = self._folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.code, encoding="utf-8")
            elif block.language == "python":
                self._printed = self._run_python(block)
            elif block.language == "sh" and block.title == KEPT_RUNNING:
                left_running.enter_context(self._running(block))
            elif block.language == "sh":
                self._printed = self._run_shell(block)
            elif block.title == "prints":
                self._compare(block)

    def _run_python(self, block: Block) -> str:
        # Line numbers of the page, for tracebacks.
        code = compile("\n" * (block.line - 1) + block.code, str(DOCS / self._page), "exec", dont_inherit=True)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, self._names)  # noqa: S102  that is the test
        return out.getvalue()

    def _run_shell(self, block: Block) -> str:
        script = f"set -eo pipefail\n{self._with_port(block.code)}\nenv -0 > .environment"
        done = subprocess.run(  # noqa: S603  a command of ours
            [_bash(), "-c", script],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{self._page}:{block.line}\n{done.stdout}\n{done.stderr}"
        exported = (self._folder / ".environment").read_text(encoding="utf-8")
        for entry in exported.split("\0"):
            name, equals, value = entry.partition("=")
            if equals:
                self._environment[name] = value
        os.environ.update({name: value for name, value in self._environment.items() if name.startswith("RUNPOD_")})
        return done.stdout

    @contextlib.contextmanager
    def _running(self, block: Block) -> Generator[None]:
        command = f"exec {block.code.strip()} --port {self._port}"
        with subprocess.Popen(  # noqa: S603  a command of ours
            [_bash(), "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                said = iter(process.stdout.readline, "")
                shown = ""
                for line in said:
                    shown += line
                    if "RUNPOD_ENDPOINT_BASE_URL" in line:
                        break
                else:
                    pytest.fail(f"{self._page}:{block.line}: it ended before it was ready:\n{shown}")
                yield
            finally:
                process.terminate()
                process.stdout.read()

    def _with_port(self, code: str) -> str:
        return code.replace("8000", str(self._port))

    def _compare(self, block: Block) -> None:
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output(block.code, self._printed, options)
        assert same, f"{self._page}:{block.line} promises\n{block.code}\nand it printed\n{self._printed}"


@pytest.fixture
def reader_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make the reader of a page; what the page leaves running ends with the test."""
    with contextlib.ExitStack() as stack:

        def make(page: str) -> tuple[Reader, contextlib.ExitStack]:
            blocks = blocks_of(page)
            monkeypatch.chdir(tmp_path)
            monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
            monkeypatch.setenv("RUNPOD_API_KEY", "test")
            monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "")
            monkeypatch.setenv("COLUMNS", "100")
            handler = next((block.code for block in blocks if block.title == "handler.py"), None)
            if handler is not None and not any(block.title == KEPT_RUNNING for block in blocks):
                (tmp_path / "handler.py").write_text(handler, encoding="utf-8")
                emulator = stack.enter_context(Emulator())
                emulator.endpoint("abc123", tmp_path / "handler.py", workers=4)
                server = stack.enter_context(emulator.serve())
                monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
                monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.url)
            return Reader(page, tmp_path, dict(os.environ)), stack

        yield make


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else []) for page in RUN])
def test_each_block_of_a_page_runs_and_prints_what_it_says(page: str, reader_of: Any) -> None:
    if any(block.language == "sh" for block in blocks_of(page)) and shutil.which("bash") is None:
        pytest.skip("no bash")
    if page in NEEDED and not os.environ.get("REQUIRE_EXAMPLES"):
        pytest.importorskip(NEEDED[page], reason=f"not installed: {NEEDED[page]}")
    reader, left_running = reader_of(page)
    with unset():
        reader.read(blocks_of(page), left_running)


def test_every_block_says_what_is_to_be_done_with_it() -> None:
    known = {"python", "py", "sh", "text", "shell", "json", "yaml", "diff", "mermaid", "ini", "dockerfile"}
    unknown = [f"{page}:{block.line}" for page in PAGES for block in blocks_of(page) if block.language not in known]
    assert unknown == []


def test_what_is_shown_of_an_example_is_in_it() -> None:
    shown = [block for page in PAGES for block in blocks_of(page) if block.language == "py"]
    assert shown
    for block in shown:
        lines = (ROOT / block.title).read_text(encoding="utf-8").splitlines()
        assert [line for line in block.code.splitlines() if line not in lines] == []


def test_no_line_to_be_copied_begins_with_a_prompt() -> None:
    prompts = [
        f"{page}:{block.line}"
        for page in PAGES
        for block in blocks_of(page)
        if block.language in {"sh", "shell"} and re.search(r"^[$%>] ", block.code, re.MULTILINE)
    ]
    assert prompts == []


def test_the_extras_that_are_named_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
    named = {name for group in re.findall(r"runpod-sdk\[([a-z,]+)\]", text) for name in group.split(",")}
    assert named
    assert named <= extras.keys()


def _bash() -> str:
    return shutil.which("bash") or "bash"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
