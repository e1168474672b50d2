"""Writes the client for threads from the client for tasks, so that the two cannot come apart.

    python tools/sync_twin.py            writes runpod_sdk/_client/_sync*.py, but for the shell
    python tools/sync_twin.py --check    fails where what is there is not what would be written

What differs is `await`, names, and the few passages that stand in `PASSAGES`, each of which has to be found. The two
shells (`_async_shell.py`, `_sync_shell.py`) differ in substance: they are written by hand, with the same names for what
is taken from them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "runpod_sdk" / "_client"
TWINS = {
    "_async.py": "_sync.py",
    "_async_batch_map.py": "_sync_batch_map.py",
    "_async_batches.py": "_sync_batches.py",
    "_async_endpoint.py": "_sync_endpoint.py",
    "_async_job.py": "_sync_job.py",
    "_async_stream.py": "_sync_stream.py",
}

# Text of the client for tasks that says what does not hold for threads, and what is said of these.
PASSAGES = {
    '''    """The async client. Belongs to the event loop in which it is first used.

    `async with` closes its connections; without it, call `aclose`. It has the same methods as `Client`. It may be
    created before a loop runs. Used in a second loop it raises RuntimeError: create one client per loop.
''': '''    """The sync client. Safe to share between threads; `with` closes its connections, and is optional.

    After a fork (gunicorn, Celery) each process opens its own connections. It also works while an event loop runs, as
    in notebooks: there, a wait without `on_update` shows a status line about its job, unless the environment variable
    RUNPOD_SDK_LIVE is "off". It cannot be pickled; a `Job` can.
''',
    """        >>> async def main():
        ...     async with AsyncClient(**emulator.connection) as client:
        ...         return await client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
        >>> import asyncio
        >>> asyncio.run(main())
""": """        >>> with Client(**emulator.connection) as client:
        ...     client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
""",
    """            self._source = book.items()
        book.asked()
""": """            self._source = taken_by(self._thread, book.items())
        self._thread.check()
        book.asked()
""",
    "Iterator[Item | None] | AsyncIterator[Item | None] | None = None": "Iterator[Item | None] | None = None",
    "next(source, OVER) if isinstance(source, Iterator) else await anext(source, OVER)": "next(source, OVER)",
    "import AsyncMap\nfrom ._bulk._batch": "import AsyncMap, taken_by\nfrom ._bulk._batch",
    '''    async def aclose(self) -> None:
        """End the run: see `on_abandon` for what happens to batches that are under way. May be called twice."""
        self._closed = True
        await self._shell._out_of_reach(self._left(sys.exception()), sys.exception())

    async def _left(self, error: BaseException | None) -> None:
        try:
            await self._leave(error)
        finally:
            await self._ended()
''': '''    def close(self) -> None:
        """End the run: see `on_abandon` for what happens to batches that are under way. May be called twice."""
        try:
            self._leave(sys.exception())
        finally:
            super().close()
''',
}
# In order: what is written, and what becomes of it.
RULES = [
    (r"\bfor asyncio\b", "for threads"),
    (r"(?<!\w)\(await ([\w.]+\([^()]*\))\)(?=[.\[])", r"\1"),
    (r"\bawait ", ""),
    (r"\basync (?=def|for|with)", ""),
    (r"\bAwaitable\[(\w+(?:\[\w+\])?)\]", r"\1"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b_async_shield\b", "_shield"),
    (r"\b_async_map\b", "_map"),
    (r"\b_async(?=_|\b)", "_sync"),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\baclose\b", "close"),
    (r"\banext\b", "next"),
    (r"`_sync(\w*)\.py` is generated from this file\.", r"Generated from `_async\1.py`: edit that."),
]


def written(source: Path, target: Path) -> str:
    """Return the twin of a file, as ruff would have it.

    Raises:
        ValueError: something asynchronous is left.
    """
    text = source.read_text(encoding="utf-8")
    for passage, other in PASSAGES.items():
        text = text.replace(passage, other)
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    left = re.search(r"\b(async (?:def|for|with)|await|import asyncio|Async[A-Z]\w*|aclose|anext)\b", text)
    if left is not None:
        raise ValueError(f"{source.name}: {left[0]!r} is left: add a rule, or a passage")
    # Names that only the other needed, the order of imports, lines that are shorter now.
    text = _ruff("check", "--fix-only", target, text)
    return _ruff("format", target, text)


def _ruff(*arguments: str | Path) -> str:
    *options, target, text = map(str, arguments)
    command = [sys.executable, "-m", "ruff", *options, "--quiet", "--stdin-filename", target, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout  # noqa: S603


def unused_passages() -> list[str]:
    """Return the beginnings of those passages that are nowhere."""
    sources = "".join((CLIENT / name).read_text(encoding="utf-8") for name in TWINS)
    return [passage.strip().splitlines()[0] for passage in PASSAGES if passage not in sources]


def main(arguments: list[str]) -> int:
    """Write the twins, or say which are not what they should be."""
    wrong = [f"tools/sync_twin.py: a passage is nowhere: {passage}" for passage in unused_passages()]
    for source, target in TWINS.items():
        path = CLIENT / target
        text = written(CLIENT / source, path)
        if arguments == ["--check"] and text != path.read_text(encoding="utf-8"):
            wrong.append(f"different: {path.relative_to(ROOT)}; edit {source} and run nox -s generate")
        elif not arguments:
            path.write_text(text, encoding="utf-8")
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
