"""The addresses at which others reach this machine when `emulate` listens on all of them."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address

# Nobody has this address (RFC 5737), and nothing is sent there: what is asked is which way it would go.
_SOMEWHERE = ("192.0.2.1", 9)


def is_every_address(host: str) -> bool:
    """Whether who listens on this host is reached by all addresses of this machine: 0.0.0.0, say, or 0."""
    with suppress(OSError, UnicodeError):
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        return any(ip_address(each).is_unspecified for each in found)
    return False


def addresses_of_this_machine() -> list[str]:
    """Return its IPv4 addresses, as far as they are found: that of the way out first, and those of its own name."""
    found: list[str] = []
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
        way_out.connect(_SOMEWHERE)
        found.append(str(way_out.getsockname()[0]))
    with suppress(OSError, UnicodeError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [
        each for each in dict.fromkeys(found) if not (ip_address(each).is_loopback or ip_address(each).is_unspecified)
    ]
