"""One line that changes while something goes on: what a notebook, a terminal and a file are given of it."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr
from types import SimpleNamespace
from typing import Any

import pytest

from runpod_sdk._display._surfaces import Caption, NotebookSurface, TerminalSurface, TextSurface, surface_of


class Tty(io.StringIO):
    """What a terminal is written."""

    def isatty(self) -> bool:
        return True


class Notebook:
    """IPython in a kernel, as far as it is asked; keeps what is shown, and in how many places."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.places = 0
        self.is_broken = False

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> Notebook:
        self.places += display_id
        self.update(bundle, raw=raw)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        if self.is_broken:
            raise RuntimeError("the kernel has lost its front end")
        self.shown.append(bundle)

    @property
    def texts(self) -> list[str]:
        return [bundle["text/plain"] for bundle in self.shown]


@pytest.fixture
def now() -> list[float]:
    return [100.0]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    made = Notebook()
    shell = SimpleNamespace(kernel=None)
    ipython = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=made.display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # pyright: ignore[reportArgumentType]
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Tty:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Tty()


def line(text: str, done: int = 0, total: int | None = None) -> Caption:
    return Caption("map [bold]", text, done, total)


def test_a_file_is_written_a_new_line_now_and_then_and_the_last_one(
    now: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    surface = TextSurface(lambda: now[0], every=10)
    for seconds, text in ((1, "1/4"), (11, "2/4"), (12, "2/4"), (13, "3/4"), (30, "3/4"), (31, "4/4")):
        now[0] = 100.0 + seconds
        surface.show(line(text))
    surface.close()
    surface.close()
    written = [(11, "2/4"), (30, "3/4"), (31, "4/4")]
    assert capsys.readouterr().err == "".join(f"map [bold]  {at:5.0f} s  {text}\n" for at, text in written)


def test_a_notebook_shows_one_place_that_is_changed_and_stays(notebook: Notebook, now: list[float]) -> None:
    surface = surface_of(lambda: now[0], every=1.0, stays=True)
    assert isinstance(surface, NotebookSurface)
    surface.show(line("too early"))
    now[0] += 1
    surface.show(line("1/4", 1, 4))
    surface.show(line("4/4", 4, 4))
    surface.close()
    assert (notebook.places, notebook.texts) == (1, ["map [bold] · 1/4", "map [bold] · 4/4"])
    assert 'value="4" max="4"' in notebook.shown[-1]["text/html"]


def test_a_line_that_does_not_stay_is_gone_at_the_end_and_was_never_there_if_nothing_came(
    notebook: Notebook, now: list[float]
) -> None:
    surface_of(lambda: now[0], stays=False).close()
    assert notebook.shown == []
    surface = surface_of(lambda: now[0], stays=False)
    surface.show(line("a line"))
    surface.close()
    assert notebook.texts == ["map [bold] · a line", ""]


def test_no_work_fails_for_a_notebook_that_shows_nothing(notebook: Notebook, now: list[float]) -> None:
    surface = surface_of(lambda: now[0], stays=True)
    notebook.is_broken = True
    surface.show(line("unseen"))
    notebook.is_broken = False
    surface.show(line("seen"))
    assert notebook.texts == ["map [bold] · seen"]


@pytest.mark.parametrize("shell", [None, SimpleNamespace()])
def test_ipython_in_a_terminal_is_no_notebook(shell: Any, now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # pyright: ignore[reportArgumentType]
    assert isinstance(surface_of(lambda: now[0], stays=True), TextSurface)


@pytest.mark.parametrize(("total", "begin"), [(4, "━"), (None, "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")])
def test_a_terminal_shows_a_bar_or_a_spinner_and_reads_no_markup(
    total: int | None, begin: str, terminal: Tty, now: list[float]
) -> None:
    with redirect_stderr(terminal):
        surface = surface_of(lambda: now[0], stays=True)
        assert isinstance(surface, TerminalSurface)
        surface.show(line("begun"))
        now[0] += 7
        surface.show(line("2 are done", 2, total))
        surface.close()
        surface.close()
    last = terminal.getvalue().rpartition("\r")[2]
    assert set(begin) & set(last)
    assert [word for word in ("map [bold]", "7 s", "2 are done") if word not in last] == []


def test_a_terminal_that_was_shown_nothing_is_written_nothing(terminal: Tty, now: list[float]) -> None:
    with redirect_stderr(terminal):
        surface_of(lambda: now[0], stays=True).close()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("lacking", ["rich", "a cursor that moves"])
def test_a_terminal_that_cannot_be_drawn_on_gets_lines(
    lacking: str, terminal: Tty, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "rich":
        monkeypatch.setitem(sys.modules, "rich", None)  # pyright: ignore[reportArgumentType]
    else:
        monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(terminal):
        surface_of(lambda: now[0], stays=True).show(line("one"))
    assert terminal.getvalue() == "map [bold]      0 s  one\n"
