"""What the programs of these tests find out about a call that was ended, as JSON."""

from __future__ import annotations

from typing import Any, cast

from runpod_sdk import Client
from runpod_sdk._client import _async_shell, _sync_shell
from tests.faults.server import KEY
from tests.frameworks.calls import CALLS, notes

# How long a submit that is on its way is waited for, seconds: here it never comes home.
for shell in (_sync_shell, _async_shell):
    cast("Any", shell).GRACE = 0.05


def warm_up(url: str) -> None:
    """Import what the calls need, so that the time of each is spent on the wire."""
    with Client(KEY, base_url=url) as client:
        endpoint = client.endpoint("warm")
        list(endpoint.map([{"n": 1}]))
        list(endpoint.stream({"n": 1}))


def told(name: str, url: str, endpoint_id: str) -> dict[str, Any]:
    """Make a call, and tell what came of it."""
    with Client(KEY, base_url=url) as client:
        problem: BaseException | None = None
        try:
            CALLS[name](client.endpoint(endpoint_id))
        except BaseException as error:  # noqa: BLE001  whatever it is
            problem = error
        return {
            "call": name,
            "raised": None if problem is None else type(problem).__name__,
            "notes": [] if problem is None else notes(problem),
            "unknowns": len(client.unknowns),
        }
