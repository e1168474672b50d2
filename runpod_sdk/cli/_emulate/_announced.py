"""What `emulate` prints when ready: URLs, endpoints, and the environment for clients and workers."""

from __future__ import annotations

import json
import shlex
import sys
import webbrowser
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from ._addresses import addresses_of_this_machine, is_every_address
from ._checks import DEFAULT_KEY
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
        print(_warning(arguments), file=sys.stderr)
    elsewhere = _elsewhere(arguments, server)
    described = [_described(endpoint, arguments, server) for endpoint in endpoints]
    if arguments.env_file is not None:
        write_env_file(arguments.env_file, described[0]["worker_environment"])
    page = console_of(server)
    if arguments.json:
        line = {
            "ready": True,
            "url": server.url,
            "urls_from_elsewhere": elsewhere,
            "console": page,
            "api_key": server.api_key,
            "endpoints": described,
        }
        print(json.dumps(line), file=out, flush=True)
        return
    print(f"ready at {server.url}")
    for url in elsewhere:
        print(f"and from elsewhere at {url}")
    print()
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
    """Return the address of the console."""
    return server.url.removesuffix("v2")


def _warning(arguments: argparse.Namespace) -> str:
    """Say what guards an emulator that others reach."""
    guard = (
        f"the key is all that guards it, and {arguments.api_key!r} is known to everybody: --api-key takes another"
        if arguments.api_key == DEFAULT_KEY
        else "the key is all that guards it"
    )
    who = "anyone who reaches this machine and knows the key can run jobs on it"
    return f"warning: listening on {arguments.host}: {who}; {guard}"


def _elsewhere(arguments: argparse.Namespace, server: Server) -> list[str]:
    """Return the URLs by which other machines and containers reach the service, where it listens on all addresses."""
    if not is_every_address(arguments.host):
        return []
    hosts = [arguments.advertise] if arguments.advertise else addresses_of_this_machine()
    return [f"http://{f'[{host}]' if ':' in host else host}:{server.port}/v2" for host in hosts]


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
    return "127.0.0.1" if is_every_address(host) else host


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
