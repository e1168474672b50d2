"""One emulator for all cells: prepares an endpoint and a job for each, lets all clients play, and tells what was seen.

What was seen is what the client returned or raised, what it asked the service, and how many jobs a submit made.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from runpod_sdk.emulator import Emulator
from tests.official.samples import CURL, CURLRC, DOCUMENTED_URL
from tests.official.table import Cell, Seen, cells

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

CLIENTS = Path(__file__).parent / "clients"
# Seconds for a call. Above the 5 of a client that waits out five times Retry-After: 1; those that never end take all.
BUDGET = 15
_AT_ONCE = 8  # processes of curl
_MANY = 3  # requests; how many more a call makes that never ends is up to the machine
_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-u1")
# What no two runs have in common, by the names of the fields: its type is what counts.
_VARYING = {"delayTime": int, "executionTime": int, "workerId": str}


class Stage:
    """The emulator, the prepared cells, and what the clients made of them."""

    def __init__(self, chosen: list[Cell]) -> None:
        self._cells = chosen
        self._emulator = Emulator()
        self._server = self._emulator.serve()
        self._jobs: dict[str, str] = {}
        with httpx.Client(base_url=self._server.url, headers={"authorization": "test"}, timeout=30) as http:
            for cell in chosen:
                self._jobs[cell.endpoint_id] = self._prepare(cell, http)
        self._before = len(self._emulator.requests)

    def __enter__(self) -> Self:
        """Return the stage itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the emulator."""
        self._emulator.close()

    def play_script(self, client: str, command: list[str], folder: Path) -> dict[str, Seen]:
        """Let a client's script play its cells, all at once; by endpoint id, what was seen."""
        mine = [cell for cell in self._cells if cell.client == client]
        cases = [
            {
                "name": cell.endpoint_id,
                "operation": cell.operation,
                "endpoint": cell.endpoint_id,
                "job": self._jobs[cell.endpoint_id],
                "key": cell.key,
            }
            for cell in mine
        ]
        plan = {"url": self._server.url, "budget": BUDGET, "cases": cases}
        done = subprocess.run(  # noqa: S603  our own words
            command,
            cwd=folder,
            env=os.environ | {"RUNPOD_ENDPOINT_BASE_URL": self._server.url},
            input=json.dumps(plan),
            capture_output=True,
            text=True,
            timeout=BUDGET * 4,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{client} ended with {done.returncode}: {done.stderr[-2000:]}")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        said = {line["name"]: line["seen"] for line in lines}
        return {cell.endpoint_id: self._seen(cell, said[cell.endpoint_id]) for cell in mine}

    def play_curl(self, folder: Path) -> dict[str, Seen]:
        """Run the documentation's samples; by endpoint id, what was seen."""
        (folder / ".curlrc").write_text(CURLRC, encoding="utf-8")
        mine = [cell for cell in self._cells if cell.client == "curl"]

        def one(cell: Cell) -> Seen:
            job_id = self._jobs[cell.endpoint_id]
            sample = CURL[cell.operation].replace(DOCUMENTED_URL, self._server.url).replace("YOUR_JOB_ID", job_id)
            settings = {"CURL_HOME": str(folder), "ENDPOINT_ID": cell.endpoint_id, "RUNPOD_API_KEY": cell.key}
            done = subprocess.run(  # noqa: S603  a sample of the documentation
                ["/bin/sh", "-c", sample],
                env=os.environ | settings,
                capture_output=True,
                text=True,
                timeout=BUDGET,
                check=False,
            )
            body, _, status = done.stdout.strip().rpartition("\n")
            answer = {"exit": done.returncode} if done.returncode else {"status": int(status), "body": _parsed(body)}
            return self._seen(cell, answer)

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return {cell.endpoint_id: seen for cell, seen in zip(mine, threads.map(one, mine), strict=True)}

    def _prepare(self, cell: Cell, http: httpx.Client) -> str:
        """Declare the endpoint, bring its job into the state that it must have, and inject the fault."""
        if cell.outcome == "404" and not cell.has_job:
            return "no-such-job"  # and no such endpoint
        waits = cell.job_state in ("CANCELLED", "IN_QUEUE") or cell.route == "purge-queue"
        self._emulator.endpoint(cell.endpoint_id, self._handler(cell), workers=0 if waits else 1)
        job_id = "no-such-job"
        if cell.route == "purge-queue":
            for _ in range(2):
                _submit(http, cell)
        elif cell.has_job and cell.outcome != "404":
            job_id = _submit(http, cell)
            if cell.job_state == "CANCELLED":
                http.post(f"/{cell.endpoint_id}/cancel/{job_id}").raise_for_status()
            elif cell.job_state != "IN_QUEUE":
                state = http.get(f"/{cell.endpoint_id}/status-sync/{job_id}").json()
                if state["status"] != cell.job_state:
                    raise RuntimeError(f"{cell}: {state}")
        if cell.fault is not None:
            self._emulator.inject(cell.fault)
        return job_id

    def _handler(self, cell: Cell) -> Any:
        failed = cell.outcome == "failed" or cell.route == "retry"
        if cell.route == "stream":
            return _failing_stream if failed else _stream
        if failed:
            return _failing
        if cell.outcome == "cancelled" and cell.submits:
            url = f"{self._server.url}/{cell.endpoint_id}/cancel"
            return lambda job: httpx.post(f"{url}/{job['id']}", headers={"authorization": "test"}).json()
        return _upper

    def _seen(self, cell: Cell, answer: Seen) -> Seen:
        """Add to what a client made of it what the service saw, without what differs from run to run."""
        seen: Seen = {**_normal(answer), "requests": self._requests(cell, never_ends="running" in answer)}
        if cell.submits:
            seen["jobs"] = sum(record.endpoint_id == cell.endpoint_id for record in self._emulator.jobs.values())
        return seen

    def _requests(self, cell: Cell, *, never_ends: bool) -> dict[str, Any]:
        prefix = f"/v2/{cell.endpoint_id}/"
        asked = Counter(
            f"{request.method} {request.path.removeprefix(prefix).partition('/')[0]}"
            for request in self._emulator.requests[self._before :]
            if request.path.startswith(prefix)
        )
        return {name: "many" if never_ends and count >= _MANY else count for name, count in sorted(asked.items())}


def _submit(http: httpx.Client, cell: Cell) -> str:
    answer = http.post(f"/{cell.endpoint_id}/run", json={"input": {"prompt": "Hello, world!"}}).raise_for_status()
    job_id: str = answer.json()["id"]
    return job_id


def _upper(job: dict[str, Any]) -> dict[str, str]:
    return {"text": job["input"]["prompt"].upper()}


def _failing(_: dict[str, Any]) -> dict[str, Any]:
    return {"error": "out of memory", "step": 7}


def _stream(_: dict[str, Any]) -> Iterator[str]:
    yield "Hel"
    yield "lo"


def _failing_stream(_: dict[str, Any]) -> Iterator[Any]:
    yield "Hel"
    yield {"error": "out of memory"}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _normal(value: Any, name: str = "") -> Any:
    """Return `value` without ids and times."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: _normal(each, key) for key, each in fields.items()}
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_normal(each) for each in items]
    if type(value) is _VARYING.get(name):
        return f"({type(value).__name__})"
    return _JOB_ID.sub("(id)", value) if isinstance(value, str) else value


def play(commands: dict[str, tuple[list[str], Path]], curl_folder: Path | None) -> dict[str, Seen]:
    """Let the clients that are there play at the same time; by endpoint id, what was seen."""
    with Stage(cells()) as stage, ThreadPoolExecutor() as threads:
        playing = [threads.submit(stage.play_script, name, *command) for name, command in commands.items()]
        if curl_folder is not None:
            playing.append(threads.submit(stage.play_curl, curl_folder))
        return {name: seen for played in playing for name, seen in played.result().items()}


def python_command(python: str, client: str) -> tuple[list[str], Path]:
    """Return how a script of `clients/` is run, and where."""
    return [python, str(CLIENTS / f"{client}.py")], CLIENTS
