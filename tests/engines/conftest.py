"""The service that engines call, and a database for those that need one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator, Options
from tests.engines.service import Service, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where Debian has its servers.
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Provide the service in this process."""
    with Emulator(clock=SystemClock(), options=Options(ledger=0)) as emulator:
        service = Service(emulator)
        with emulator.serve() as server:
            service.at(server.url, server.api_key)
            yield service
            service.gate.set()


@pytest.fixture
def database() -> Iterator[str]:
    """Provide a PostgreSQL server of our own, on loopback."""
    needs("psycopg", PostgreSQL=POSTGRES)
    # It refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(subprocess.run([*user, "mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())  # noqa: S603
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bin_ = POSTGRES[-1]
    make: list[str | Path] = [*user, bin_ / "initdb", "-D", folder / "data", "-A", "trust", "-U", "me"]
    subprocess.run(make, check=True, capture_output=True)  # noqa: S603
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
    control: list[str | Path] = [*user, bin_ / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True)  # noqa: S603
    try:
        yield f"postgresql://me@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)  # noqa: S603
        shutil.rmtree(folder, ignore_errors=True)
