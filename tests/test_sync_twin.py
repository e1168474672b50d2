"""The client for threads is what its twin for tasks says, but for await and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import sync_twin

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), sync_twin.TWINS.items())
def test_what_is_there_is_what_would_be_written(source: str, target: str) -> None:
    text = (sync_twin.CLIENT / target).read_text(encoding="utf-8")
    assert text == sync_twin.written(sync_twin.CLIENT / source, sync_twin.CLIENT / target), "run nox -s generate"
    assert f"Generated from `{source}`: edit that." in text.splitlines()[0]
    assert "await" not in text
    assert sync_twin.unused_passages() == []


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("    return await self.state()", "    return self.state()"),
        ("    return (await self.state(1)).status", "    return self.state(1).status"),
        ("    return self.seen(await self.state(1))", "    return self.seen(self.state(1))"),
        ("    async with AsyncClient(1) as c, d: ...", "    with Client(1) as c, d:\n        ..."),
        ("    async def __aenter__(self) -> AsyncJob[int]: ...", "    def __enter__(self) -> Job[int]: ..."),
        ("    start: Callable[[], Awaitable[AsyncJob[T]]]", "    start: Callable[[], Job[T]]"),
        ("    raise StopAsyncIteration", "    raise StopIteration"),
        ("    await self.aclose(httpx.AsyncBaseTransport)", "    self.close(httpx.BaseTransport)"),
    ],
)
def test_the_rules(line: str, becomes: str, tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text(f"def f():\n{line}\n", encoding="utf-8")
    assert sync_twin.written(source, tmp_path / "target.py") == f"def f():\n{becomes}\n"


@pytest.mark.parametrize("line", ["import asyncio", "result = await(x)"])
def test_what_no_rule_is_for_is_named(line: str, tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"source\.py: '.*' is left: add a rule, or a passage"):
        sync_twin.written(source, tmp_path / "target.py")


@pytest.mark.slow
def test_a_twin_that_was_edited_by_hand_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*sync_twin.TWINS, *sync_twin.TWINS.values()]:
        (tmp_path / name).write_bytes((sync_twin.CLIENT / name).read_bytes())
    monkeypatch.setattr(sync_twin, "CLIENT", tmp_path)
    monkeypatch.setattr(sync_twin, "ROOT", tmp_path)
    job = tmp_path / "_sync_job.py"
    job.write_text(job.read_text(encoding="utf-8").replace("self._end(None)", "self._end(error)"), encoding="utf-8")
    assert sync_twin.main(["--check"]) == 1
    assert sync_twin.main([]) == 0
