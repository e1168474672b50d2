"""What transports for httpx say of a request that was read, and of one that was never sent, and what is true.

    python benchmarks/lies.py

ConnectError and ConnectTimeout must be said only of a request of which not one byte was sent: a client that believes
them sends it again, and a paid job runs twice. Transports that are not installed are left out by name.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults.acts import cut, nothing
from tests.faults.server import Connection, FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.server import Act

NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
READ: dict[str, Act] = {"dropped after reading": cut(nothing), "stalled after reading": cut(nothing, Connection.stall)}
UNSENT = ("nothing listens", "no such host")


def transports() -> dict[str, Callable[[], httpx.AsyncBaseTransport]]:
    """Return those that are installed."""
    found: dict[str, Callable[[], httpx.AsyncBaseTransport]] = {"httpx": httpx.AsyncHTTPTransport}
    try:
        from httpx_aiohttp import AiohttpTransport

        found["httpx-aiohttp"] = AiohttpTransport
    except ImportError:
        print("not installed: httpx-aiohttp", file=sys.stderr)
    try:
        from pyreqwest.compatibility.httpx import HttpxTransport

        found["pyreqwest"] = HttpxTransport
    except ImportError:
        print("not installed: pyreqwest", file=sys.stderr)
    return found


async def said(transport: httpx.AsyncBaseTransport, url: str) -> str:
    """Return the name of the error that a POST ends with."""
    async with httpx.AsyncClient(transport=transport, timeout=1.0, trust_env=False) as client:
        try:
            await client.post(f"{url}/e/run", content=b"{}")
        except Exception as error:  # noqa: BLE001  whatever it is, its name is what is asked
            return type(error).__name__
        return "an answer"


async def main() -> None:
    """Print a table; a lie is in bold."""
    print(f"| transport | {' | '.join([*READ, *UNSENT])} |\n{'|---' * (1 + len(READ) + len(UNSENT))}|")
    for name, make in transports().items():
        cells: list[str] = []
        for act in READ.values():
            with FaultServer(default=act) as server:
                word = await said(make(), server.url)
            cells.append(f"**{word}**" if word in NEVER_SENT else word)
        with FaultServer(listening=False) as server:
            cells.append(await said(make(), server.url))
        cells.append(await said(make(), "http://no-such-host.invalid"))
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    asyncio.run(main())
