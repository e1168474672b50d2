"""What `emulate` prints when it is ready: where it is, what runs there, and what clients and workers need."""

from __future__ import annotations

import json
import shlex
import sys
import webbrowser
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ._env_file import write_env_file

if TYPE_CHECKING:
    import argparse

    from runpod_sdk.emulator import EmulatedEndpoint, Server


def announce(arguments: argparse.Namespace, server: Server, endpoints: list[EmulatedEndpoint], out: Any) -> None:
    """Say what is served, and where; open the console where that was asked for."""
    _announce(arguments, server, endpoints, out)
    if arguments.open:
        webbrowser.open(console_of(server))


def _announce(arguments: argparse.Namespace, server: Server, endpoints: list[EmulatedEndpoint], out: Any) -> None:
    if not is_loopback(arguments.host):
        print(
            f"warning: listening on {arguments.host}: whoever reaches this machine and knows the key runs jobs on it",
            file=sys.stderr,
        )
    described = [_described(endpoint, arguments, server) for endpoint in endpoints]
    if arguments.env_file is not None:
        write_env_file(arguments.env_file, described[0]["worker_environment"])
    page = console_of(server)
    if arguments.json:
        line = {"ready": True, "url": server.url, "console": page, "api_key": server.api_key, "endpoints": described}
        print(json.dumps(line), file=out, flush=True)
        return
    print(f"ready at {server.url}\n")
    for endpoint in described:
        print(f"  {endpoint['id']}: {endpoint['runs']}")
    print()
    print(f"export RUNPOD_ENDPOINT_BASE_URL={shlex.quote(server.url)}")
    print(f"export RUNPOD_API_KEY={shlex.quote(server.api_key)}")
    for endpoint in described:
        if "worker_environment" in endpoint:
            _announce_external(arguments, endpoint)
    print(f"\nCtrl-C ends it.\nThe console is at {page}", flush=True)


def console_of(server: Server) -> str:
    """Return the address of the console; nobody can call 0.0.0.0."""
    address = urlsplit(server.url)
    host = "127.0.0.1" if address.hostname in ("0.0.0.0", "::") else address.hostname or ""  # noqa: S104  as below
    shown = f"[{host}]" if ":" in host else host
    return f"{address.scheme}://{shown}:{server.port}/"


def _announce_external(arguments: argparse.Namespace, endpoint: dict[str, Any]) -> None:
    environment: dict[str, str] = endpoint["worker_environment"]
    print(f"\n# for a worker of {endpoint['id']}; each needs a RUNPOD_POD_ID of its own")
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    if arguments.env_file is not None:
        print(f"# the same, for docker run --env-file: {arguments.env_file}")
    elif is_loopback(arguments.host):
        print("# a container reaches it with --network host, or with --host 0.0.0.0 --advertise NAME here")


def _described(endpoint: EmulatedEndpoint, arguments: argparse.Namespace, server: Server) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": endpoint.id}
    program = endpoint.program
    if program is not None:
        runs = f"{program.named}, {_count(endpoint)}"
        file = {} if program.path is None else {"file": str(program.path)}
        return {**facts, "runs": runs, **file, "workers": endpoint.workers}
    if endpoint.command is not None:
        runs = f"{_count(endpoint)}: {shlex.join(endpoint.command)}; logs in {endpoint.logs}"
        return {**facts, "runs": runs, "logs": str(endpoint.logs), "workers": endpoint.workers}
    if arguments.external:
        environment = server.worker_environment(endpoint.id, host=_advertised(arguments))
        return {**facts, "runs": "workers that you start", "worker_environment": environment}
    return {**facts, "runs": "the built-in handler: mock_return, mock_delay, mock_error, ..."}


def _count(endpoint: EmulatedEndpoint) -> str:
    return f"{endpoint.workers} worker{'s' if endpoint.workers > 1 else ''}"


def _advertised(arguments: argparse.Namespace) -> str:
    """Return how a worker elsewhere calls this machine; nobody can call 0.0.0.0."""
    host: str = arguments.advertise or arguments.host
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  what was asked for


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
