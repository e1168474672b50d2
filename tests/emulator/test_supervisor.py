"""Worker processes: started, watched, replaced, stopped, and gone with all that they started."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.emulator import EmulatedEndpoint, Emulator, Fault, Options, Scaling
from runpod_sdk.emulator._workers._slot import ProcessSlot
from runpod_sdk.emulator._workers._supervisor import command_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")

JOIN = 30
COMMAND = [sys.executable, str(Path(__file__).with_name("scripted_worker.py"))]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(options=Options(worker_grace=5.0)) as emulator:
        yield emulator


@pytest.fixture
def user(emulator: Emulator) -> Iterator[httpx.Client]:
    """Serve one process, and return a client of its endpoint."""
    emulator.endpoint("e", command=COMMAND)
    with httpx.Client(base_url=f"{emulator.serve().url}/e", headers={"authorization": "test"}, timeout=JOIN) as user:
        yield user


def run(user: httpx.Client, **job_input: Any) -> dict[str, Any]:
    """Return how a job ended."""
    state: dict[str, Any] = user.post("/runsync?wait=30000", json={"input": job_input}).json()
    return state


def wait_for(is_so: Callable[[], Any]) -> Any:
    """Return what is so at last; each look is a request, or a look at the system."""
    for _ in range(100_000):
        found = is_so()
        if found:
            return found
    raise AssertionError("it never was")


def is_alive(pid: int) -> bool:
    """Claim that a process runs; one that is dead and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def endpoint_of(emulator: Emulator) -> EmulatedEndpoint:
    return emulator._endpoints["e"]


def processes(emulator: Emulator) -> dict[str, int]:
    supervisor = endpoint_of(emulator).supervisor
    assert supervisor is not None
    return supervisor.processes


def test_a_process_takes_runs_and_delivers(emulator: Emulator, user: httpx.Client) -> None:
    state = run(user, do="answer")
    ((worker_id, _),) = processes(emulator).items()
    assert (state["status"], state["output"], state["workerId"]) == ("COMPLETED", worker_id, worker_id)


def test_each_process_has_a_log(emulator: Emulator, user: httpx.Client) -> None:
    worker_id = run(user, do="answer")["output"]
    log = endpoint_of(emulator).logs / f"{worker_id}.log"
    wait_for(lambda: log.read_text() == f"worker {worker_id} begins\n")


def test_the_logs_go_with_the_emulator(emulator: Emulator, user: httpx.Client) -> None:
    logs = endpoint_of(emulator).logs
    assert logs.is_dir()
    emulator.close()
    assert not logs.exists()


def test_the_environment_is_that_of_an_official_worker(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_REALTIME_PORT", "1")
    monkeypatch.setenv("RUNPOD_POD_ID", "inherited")
    emulator.endpoint("e", command=COMMAND)
    server = emulator.serve()
    with httpx.Client(base_url=f"{server.url}/e", headers={"authorization": "test"}, timeout=JOIN) as user:
        seen = run(user, do="environment")["output"]
    ((worker_id, _),) = processes(emulator).items()
    assert server.worker_environment("e", worker_id).items() <= seen.items()
    assert "RUNPOD_REALTIME_PORT" not in seen
    assert all("?" in seen[name] for name in seen if name.startswith("RUNPOD_WEBHOOK"))


def test_a_job_whose_worker_dies_is_run_once_more_and_nothing_is_left(
    emulator: Emulator, user: httpx.Client, tmp_path: Path
) -> None:
    marker = tmp_path / "orphan"
    first = run(user, do="answer")["output"]
    state = run(user, do="die once", marker=str(marker))
    assert (state["status"], state["retries"]) == ("COMPLETED", 1)
    assert state["workerId"] != first
    wait_for(lambda: not is_alive(int(marker.read_text())))
    assert list(processes(emulator)) == [state["workerId"]]


def test_a_job_that_kills_every_worker_fails(user: httpx.Client, tmp_path: Path) -> None:
    state = run(user, do="die once", marker=str(tmp_path / "no" / "folder"))
    assert (state["status"], state["error"], state["retries"]) == ("FAILED", "job timed out after 1 retries", 1)


@pytest.mark.slow
def test_a_worker_that_asks_for_it_is_replaced(emulator: Emulator, user: httpx.Client) -> None:
    first = run(user, do="refresh")["output"]
    pid = processes(emulator).get(first)
    second = run(user, do="answer")["output"]
    assert second != first
    assert pid is None or not is_alive(pid)


def test_a_reload_replaces_the_worker(emulator: Emulator, user: httpx.Client) -> None:
    first = run(user, do="answer")["output"]
    endpoint_of(emulator).reload()
    assert run(user, do="answer")["output"] != first


def test_a_worker_that_is_stopped_delivers_its_job(emulator: Emulator, user: httpx.Client, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job_id = user.post("/run", json={"input": {"do": "wait", "fifo": str(fifo)}}).json()["id"]
    wait_for(lambda: user.get(f"/status/{job_id}").json().get("output") == "waiting")
    ((_, pid),) = processes(emulator).items()
    closing = threading.Thread(target=emulator.close, daemon=True)
    closing.start()
    fifo.write_text("go on")
    closing.join(JOIN)
    assert emulator.jobs[job_id].status == "COMPLETED"
    assert emulator.jobs[job_id].state.get("retries") is None
    assert not is_alive(pid)


def test_a_worker_that_will_not_end_is_killed_with_what_it_started() -> None:
    with Emulator(options=Options(worker_grace=0.1)) as emulator:
        emulator.endpoint("e", command=COMMAND)
        url = f"{emulator.serve().url}/e"
        with httpx.Client(base_url=url, headers={"authorization": "test"}, timeout=JOIN) as user:
            job_id = user.post("/run", json={"input": {"do": "ignore SIGTERM"}}).json()["id"]
            orphan = wait_for(lambda: user.get(f"/status/{job_id}").json().get("output"))
        ((_, pid),) = processes(emulator).items()
        emulator.close()
        assert not is_alive(pid)
        wait_for(lambda: not is_alive(orphan))
        assert emulator.jobs[job_id].status == "IN_QUEUE"


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="where processes can be waited for without being reaped")
def test_stopping_a_worker_that_has_just_died_leaves_its_death_to_be_seen(emulator: Emulator) -> None:
    """Who reaps it takes its death from the thread that watches, and with that its jobs and the rest of its group."""
    emulator.endpoint("e", command=COMMAND)
    emulator.serve()
    supervisor = endpoint_of(emulator).supervisor
    assert supervisor is not None
    place = ProcessSlot(supervisor)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        place.running = "w", process
        place.stop()
        if place._killer is not None:
            place._killer.cancel()
        assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is not None


def test_an_idle_worker_ends_at_once_because_its_poll_is_answered(emulator: Emulator, user: httpx.Client) -> None:
    run(user, do="answer")
    ((_, pid),) = processes(emulator).items()
    wait_for(lambda: user.get("/health").json()["workers"]["idle"] == 1)
    emulator.close()
    assert not is_alive(pid)


def test_a_worker_that_dies_before_it_is_ready_is_unhealthy_and_tried_again(emulator: Emulator, tmp_path: Path) -> None:
    """A fitness check that fails exits with 1 before the first take."""
    emulator.endpoint("e", command=[sys.executable, "-c", "raise SystemExit(1)"])
    url = f"{emulator.serve().url}/e"
    with httpx.Client(base_url=url, headers={"authorization": "test"}, timeout=JOIN) as user:
        wait_for(lambda: user.get("/health").json()["workers"]["unhealthy"] == 1)
        wait_for(lambda: len(list(endpoint_of(emulator).logs.iterdir())) == 2)


@pytest.mark.slow
def test_several_workers_share_the_jobs(emulator: Emulator, tmp_path: Path) -> None:
    emulator.endpoint("e", command=COMMAND, workers=2)
    url = f"{emulator.serve().url}/e"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with httpx.Client(base_url=url, headers={"authorization": "test"}, timeout=JOIN) as user:
        user.post("/run", json={"input": {"do": "wait", "fifo": str(fifo)}})
        assert run(user, do="answer")["status"] == "COMPLETED"
        fifo.write_text("go on")
    assert len(processes(emulator)) == 2


def test_a_supervised_worker_needs_no_key(emulator: Emulator, user: httpx.Client) -> None:
    """The official library prefers the key of ~/.runpod/config.toml to that of its environment."""
    run(user, do="answer")
    ((worker_id, _),) = processes(emulator).items()
    wrong = {"authorization": "the user's own"}
    assert user.get(f"/ping/{worker_id}", headers=wrong).status_code == 200
    assert user.get("/ping/somebody", headers=wrong).status_code == 401


# What a job goes through whose worker dies, and whose worker has no need to.
TWICE = ["submit", "take", "lose: left", "take, 1", "succeed, 1"]
ONCE = ["submit", "take", "succeed"]


def steps(emulator: Emulator) -> list[str]:
    """Return what the ledger says of the one job: "left" where a worker's end is the cause, and the retries."""
    rows = [row for row in emulator.ledger.rows() if row["kind"] == "job"]
    return [
        row["event"]
        + (f": {row['cause']}" if row.get("cause") == "left" else f", {row['retries']}" if "retries" in row else "")
        for row in rows
    ]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["take", "progress", "chunk", "done"])
@pytest.mark.fidelity("worker: the job of a dead worker is given out once more, then fails", source="live")
def test_a_process_that_a_fault_kills_is_replaced_and_its_job_runs_once_more(
    emulator: Emulator, user: httpx.Client, at: Any
) -> None:
    ((first, pid),) = processes(emulator).items()
    emulator.inject(Fault.kill_worker(at, times=1))
    state = run(user, do="work")
    assert (state["status"], state["retries"]) == ("COMPLETED", 1)
    assert state["output"] != first
    assert not is_alive(pid)
    assert steps(emulator) == TWICE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "expected"),
    [("take", TWICE), ("ping", TWICE), ("progress", TWICE), ("chunk", TWICE), ("result", ONCE)],
)
def test_a_process_that_is_killed_between_two_requests(
    emulator: Emulator, user: httpx.Client, tmp_path: Path, point: str, expected: list[str]
) -> None:
    marker = tmp_path / "marker"
    ((first, _),) = processes(emulator).items()
    state = run(user, do="work", **{"die after": point}, marker=str(marker))
    assert (state["status"], marker.exists() or point == "result") == ("COMPLETED", True)
    assert steps(emulator) == expected
    wait_for(lambda: user.get("/health") and first not in processes(emulator))


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_waits_costs_no_job_anything(emulator: Emulator, user: httpx.Client) -> None:
    ((first, pid),) = processes(emulator).items()
    wait_for(lambda: user.get("/health").json()["workers"]["idle"] == 1)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: user.get("/health") and processes(emulator).keys() - {first})  # begun when the first had left
    assert run(user, do="work")["output"] != first
    assert steps(emulator) == ONCE


@pytest.mark.slow
def test_a_worker_from_elsewhere_that_a_fault_kills_has_left(emulator: Emulator, user: httpx.Client) -> None:
    emulator.endpoint("shared", command=[sys.executable, "-c", "import signal; signal.pause()"])
    url = str(user.base_url).replace("/e/", "/shared")
    user.post(f"{url}/run", json={"input": {"n": 1}})
    job_id = user.get(f"{url}/job-take/elsewhere").json()["id"]
    emulator.inject(Fault.kill_worker("done"))
    user.post(f"{url}/job-done/elsewhere/{job_id}", json={"output": 1})
    assert user.get(f"{url}/status/{job_id}").json() == {"id": job_id, "status": "IN_QUEUE", "retries": 1}


def test_processes_begin_with_the_server_and_end_with_it(emulator: Emulator) -> None:
    endpoint = emulator.endpoint("e", command=COMMAND)
    assert endpoint.supervisor is None
    with emulator.serve():
        ((_, pid),) = processes(emulator).items()
        assert is_alive(pid)
    assert not is_alive(pid)
    assert processes(emulator) == {}


def test_an_endpoint_that_is_declared_while_serving_begins_at_once(emulator: Emulator) -> None:
    emulator.serve()
    emulator.endpoint("e", command=COMMAND)
    assert len(processes(emulator)) == 1


@pytest.mark.slow
def test_a_second_server_starts_the_processes_again(emulator: Emulator) -> None:
    emulator.endpoint("e", command=COMMAND)
    with emulator.serve():
        first = processes(emulator)
    with emulator.serve():
        assert len(processes(emulator)) == 1
        assert not processes(emulator).keys() & first.keys()


@pytest.mark.parametrize("command", ["", [], "no-such-program --at all"])
def test_a_command_without_a_program_is_refused(command: Any) -> None:
    with pytest.raises(ValueError, match="no such program"):
        Emulator().endpoint("e", command=command)


def test_a_command_is_split_as_a_shell_does() -> None:
    assert command_of(f"{sys.executable} -c 'print(1)'") == [sys.executable, "-c", "print(1)"]


def test_a_handler_beside_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        Emulator().endpoint("e", lambda job: job, command=COMMAND)


def test_a_system_without_process_groups_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(NotImplementedError, match=r"Server\.worker_environment"):
        command_of("python handler.py")


def test_the_environment_for_a_worker_elsewhere_names_this_machine_as_it_calls_it(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    server = emulator.serve()
    first, second = server.worker_environment("e"), server.worker_environment("e", host="host.docker.internal")
    assert first["RUNPOD_WEBHOOK_GET_JOB"] == f"{server.url}/e/job-take/$ID?gpu=cpu"
    assert second["RUNPOD_WEBHOOK_PING"].startswith(f"http://host.docker.internal:{server.port}/v2/e/ping/")
    assert first["RUNPOD_POD_ID"] != second["RUNPOD_POD_ID"]


@pytest.mark.slow
def test_where_it_scales_a_process_runs_while_it_is_wanted() -> None:
    scaling = Scaling(scaler="request_count", max_workers=2, cold_start=0, idle_timeout=0.2)
    with Emulator(options=Options(scaling=scaling)) as emulator:
        emulator.endpoint("e", command=COMMAND)
        server = emulator.serve()
        with httpx.Client(base_url=f"{server.url}/e", headers={"authorization": "test"}, timeout=JOIN) as user:
            assert processes(emulator) == {}, "nobody has asked for anything"
            pids: list[int] = []
            for number in range(2):
                worker_id = run(user, do="answer", n=number)["output"]
                pids += [pid for known, pid in processes(emulator).items() if known == worker_id]
                wait_for(lambda: user.get("/health").json() and processes(emulator) == {})
            assert len({*pids}) == len(pids)
            assert not any(is_alive(pid) for pid in pids)
        assert emulator.ledger.verdict().is_clean
