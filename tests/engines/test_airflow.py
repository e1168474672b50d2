"""Airflow with tasks whose processes are killed: API server, scheduler, triggerer, each in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from runpod_sdk.emulator import Fault
from tests.engines.service import ENGINES, LONG, Service, happened, inputs_in, needs
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tasks of each group, each of which is killed once; and of the example's DAG, whose triggerer is.
ROWS = scaled(2, most=10)
BULK = scaled(6, most=60)
# The environment in which `nox -s engines` has installed Airflow, whose pins are not ours.
PYTHON = os.environ.get("AIRFLOW_PYTHON", "")
# The groups of the DAG: by the example's operator, and without it.
OURS, THEIRS = ("waiting", "submitting", "refused", "failing"), ("mixin", "plain")
DAGS = Path(__file__).with_name("programs") / "airflow_dags.py"

pytestmark = pytest.mark.slow


class Airflow:
    """Airflow in a folder, its state in SQLite."""

    def __init__(self, home: Path, service: Service) -> None:
        self.home = home
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **service.environment,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "of this test, thirty-two bytes or more, as its library asks for",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__PARALLELISM": str(4 * ROWS + 4),
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            "RETRY_DELAY": "1",
            "RUNPOD_ENDPOINT": "held",
            "ROWS": str(ROWS),
        }
        for folder in ("plugins", "dags"):
            (home / folder).mkdir()
        shutil.copy(ENGINES / "airflow_operator.py", home / "plugins")
        for dag in (ENGINES / "airflow_bulk.py", DAGS):
            shutil.copy(dag, home / "dags")

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(PYTHON).with_name("airflow")), *arguments]

    def say(self, *arguments: str) -> None:
        """Run a command of its command line to its end."""
        with (self.home / "commands.log").open("ab") as log:
            done = subprocess.run(  # noqa: S603  ours
                self.command(*arguments), env=self.environment, stdout=log, stderr=log, check=False, timeout=LONG
            )
        assert done.returncode == 0, (self.home / "commands.log").read_text("utf-8")[-2000:]

    def start(self, *arguments: str) -> None:
        """Start one of its services."""
        with (self.home / f"{arguments[0]}.log").open("ab") as log:
            self.running[arguments[0]] = subprocess.Popen(  # noqa: S603  ours
                self.command(*arguments), env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def is_up(self) -> bool:
        """Whether its API answers."""
        try:
            return httpx.get(f"{self.url}/execution/health").is_success
        except httpx.TransportError:
            return False

    def kill(self, name: str) -> None:
        """Kill one, and all processes that it has started."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def rows(self, question: str, *values: str) -> list[Any]:
        """Ask its database."""
        path = f"file:{self.home / 'airflow.db'}?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=LONG)) as database:
            return database.execute(question, values).fetchall()

    def states(self, dag: str) -> Counter[tuple[str, str]]:
        """Return how many tasks of which name are in which state."""
        return Counter(self.rows("SELECT task_id, state FROM task_instance WHERE dag_id = ?", dag))

    def attempts(self, task: str) -> int:
        """Return in which attempt the first task of this name ended."""
        [[attempts]] = self.rows("SELECT min(try_number) FROM task_instance WHERE task_id = ?", task)
        return int(attempts)

    def is_over(self, dag: str) -> bool:
        return self.rows("SELECT state FROM dag_run WHERE dag_id = ?", dag)[0][0] in ("success", "failed")

    def stored(self, task: str, key: str) -> int:
        """Return how many tasks of this name have stored something under this key."""
        return len(self.rows("SELECT 1 FROM task_state_store WHERE task_id = ? AND key = ?", task, key))

    def tell(self, dag: str, task: str, index: int, key: str, value: str) -> None:
        """Write into the state store of a task, by the REST API."""
        [[run]] = self.rows("SELECT run_id FROM dag_run WHERE dag_id = ?", dag)
        token = httpx.get(f"{self.url}/auth/token", timeout=LONG).raise_for_status().json()["access_token"]
        httpx.put(
            f"{self.url}/api/v2/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/state-store/{key}",
            params={"map_index": index},
            json={"value": value},
            headers={"authorization": f"Bearer {token}"},
            timeout=LONG,
        ).raise_for_status()

    def outputs(self, task: str) -> list[Any]:
        found = self.rows("SELECT value FROM xcom WHERE task_id = ? AND key = 'return_value' ORDER BY map_index", task)
        return [json.loads(value) for [value] in found]

    def logs(self, task: str) -> list[str]:
        """Return what each attempt at a task of this name has said."""
        return [path.read_text("utf-8") for path in self.home.glob(f"logs/**/task_id={task}/**/*.log")]


@pytest.fixture(scope="module")
def airflow(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    needs(Airflow=PYTHON)
    airflow = Airflow(tmp_path_factory.mktemp("airflow"), service)
    airflow.say("db", "migrate")
    airflow.say("dags", "reserialize")  # once; no process needs to look for changes
    try:
        airflow.start("api-server")
        happened(airflow.is_up)  # else first attempts fail without it
        airflow.start("scheduler", "--skip-serve-logs")
        airflow.start("triggerer", "--skip-serve-logs")
        yield airflow
    finally:
        for name in list(airflow.running):
            airflow.kill(name)


def test_a_job_is_submitted_once_whenever_its_task_is_killed(service: Service, airflow: Airflow) -> None:
    emulator = service.emulator
    for endpoint in ("lost", "lost-too", "refused"):
        emulator.endpoint(endpoint, service.handle, workers=ROWS)
    for endpoint in ("lost", "lost-too"):
        emulator.inject(Fault.stall("after", on="run", endpoint=endpoint, times=ROWS))
    emulator.inject(Fault.status(401, on="run", endpoint="refused", times=1))
    airflow.say("dags", "trigger", "killed")
    groups = ("waiting", "submitting", *THEIRS)
    happened(lambda: all(len(submitters(service, group)) == ROWS for group in groups))
    happened(lambda: airflow.stored("waiting", "job_id") == ROWS)
    for group in groups:
        for pid in submitters(service, group):
            os.kill(pid, signal.SIGKILL)
    happened(lambda: len(submitters(service, "plain")) == 2 * ROWS)  # it has begun again
    service.gate.set()
    happened(lambda: airflow.is_over("killed"))

    submits = service.submits()
    assert all(submits[f"{group}-{n}"] == 1 for group in OURS for n in range(ROWS)), "none is doubled"
    assert all(submits[f"{group}-{n}"] > 1 for group in THEIRS for n in range(ROWS)), (
        "these are, as nothing guards them"
    )
    assert airflow.states("killed") == {
        ("waiting", "success"): ROWS,  # collected by the id that was stored
        ("submitting", "failed"): ROWS,  # unknown: not submitted again, and said so
        ("refused", "success"): ROWS,
        ("failing", "failed"): ROWS,  # its attempts are for other ends
        ("mixin", "success"): ROWS,
        ("plain", "success"): ROWS,
    }
    assert all(airflow.attempts(group) >= 2 for group in groups), "each was killed"
    assert airflow.outputs("waiting") == [f"done waiting-{n}" for n in range(ROWS)]
    said = [log for log in airflow.logs("submitting") if "an attempt before this one may have submitted the job" in log]
    assert len(said) >= ROWS

    # Somebody has looked for the jobs, and found them: told so, and cleared, the tasks collect them.
    for job in list(emulator.jobs.values()):
        if job.endpoint_id == "lost":
            airflow.tell("killed", "submitting", int(job.input["key"].split("-")[1]), "job_id", job.id)
    airflow.say("tasks", "clear", "killed", "--only-failed", "--yes")
    happened(lambda: airflow.is_over("killed"))
    assert airflow.outputs("submitting") == [f"done submitting-{n}" for n in range(ROWS)]
    assert service.submits() == submits
    sys.stdout.write(
        f"Airflow: {len(OURS) * ROWS} tasks, {2 * ROWS} kills, 0 doubled, {ROWS} unknown; "
        f"its mixin: {ROWS} tasks, {ROWS} doubled; a plain task: {ROWS} tasks, {ROWS} doubled\n"
    )


def test_a_bulk_run_goes_on_after_the_end_of_the_triggerer(service: Service, airflow: Airflow) -> None:
    service.gate.clear()
    inputs = inputs_in(airflow.home / "inputs.jsonl", range(BULK))
    airflow.say("dags", "trigger", "runpod_bulk", "--conf", json.dumps({"inputs": str(inputs)}))
    happened(lambda: airflow.states("runpod_bulk")["job", "deferred"] == BULK)
    airflow.kill("triggerer")
    airflow.start("triggerer", "--skip-serve-logs")
    service.gate.set()
    happened(lambda: airflow.is_over("runpod_bulk"))
    assert airflow.states("runpod_bulk") == {("inputs", "success"): 1, ("job", "success"): BULK}
    assert airflow.outputs("job") == [f"done k{n}" for n in range(BULK)]
    submits = {key: n for key, n in service.submits().items() if key.startswith("k")}
    assert submits == dict.fromkeys((f"k{n}" for n in range(BULK)), 1)
    sys.stdout.write(f"Airflow: {BULK} tasks, the triggerer killed, 0 doubled, 0 unknown\n")


def submitters(service: Service, group: str) -> set[int]:
    """Return the processes that have submitted inputs of this group."""
    inputs = [job.input for job in service.emulator.jobs.values()]
    return {given["pid"] for given in inputs if given["key"].startswith(f"{group}-") and "pid" in given}
