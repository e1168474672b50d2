"""A process to be stopped and continued: it submits one job, and says what came of it.

`python -m tests.faults.stopped WIRE URL ENDPOINT SECONDS`; the last is the timeout of its requests.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from runpod_sdk._http import _async_connections, _connections, _transports
from runpod_sdk.errors import RunpodError
from tests.faults.flavours import settled
from tests.faults.table import GIVEN, WIRES, choose

# Read before there is a request: reading them is not to count as its time.
READ = (_async_connections, _connections, _transports)


def main(wire: str, url: str, endpoint: str, seconds: str) -> None:
    """Print the id of the job, or the error."""
    flavour = WIRES[wire]

    async def body(client: Any) -> str:
        try:
            return str((await settled(client.endpoint(endpoint).run({}))).id)
        except RunpodError as error:
            return f"{type(error).__name__}: {error}"

    options: dict[str, Any] = {"transport": flavour.transport()} if wire in GIVEN else {}
    with pytest.MonkeyPatch.context() as patch:
        choose(wire, patch)
        options |= {"base_url": url, "timeout": float(seconds), "retry": None}
        print(flavour.play(None, body, **options))  # noqa: T201  its result


if __name__ == "__main__":
    main(*sys.argv[1:])
