"""Access rules by Host and Origin: one table, and the texts of refusals. Pure.

A browser lets any page send simple requests to this machine, and a page whose own name has been made to lead here (DNS
rebinding) also reads the answers. Neither shall reach more than a stranger on the network does.

- The name that was called (Host) is *own*: a loopback address or localhost; *private*: any other address, a name that
  no public DNS has, or one that was allowed; or *foreign*: all others, which somebody else may have pointed here.
- The sender is a *program*, a page of the same origin, or a page of another one, as browsers say themselves: by Origin
  with everything but plain reads, and by Sec-Fetch-Site. Source: fetch.spec.whatwg.org, "append a request Origin
  header"; www.w3.org/TR/fetch-metadata.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from runpod_sdk.emulator._routes._route import HttpAnswer, json_answer

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options

# The second is what the transport in this process is called.
_OWN_NAMES = frozenset({"localhost", "emulator.invalid"})
# No public DNS has these, so that no page on the web can be called so. Source: RFC 6761, 6.3; ICANN resolution
# 2024.07.29.06 (internal). Nor names without a dot. Source: SAC053; IAB statement "Dotless Domains Considered Harmful".
_PRIVATE_ENDINGS = (".localhost", ".internal")
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?P<port>:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# A browser asks again after so many seconds; ours.
_PREFLIGHT_AGE = "600"


class Area(Enum):
    """What is called."""

    QUEUE = "the routes of the service"
    CONTROL = "the routes under /_emulator"
    PAGE = "the console's page, which shows nothing by itself"


class Called(Enum):
    """By what kind of name this machine was called."""

    OWN = "own"
    PRIVATE = "private"
    FOREIGN = "foreign"


class SentBy(Enum):
    """Who sends a request."""

    PROGRAM = "no page"
    SAME = "a page of this origin"
    OTHER = "a page of another origin"


class Admission(Enum):
    """What is done about it."""

    FREE = "let in"
    KEY = "let in with the API key"
    REFUSED = "refused, whatever it brings"


_FREE, _KEY, _REFUSED = Admission.FREE, Admission.KEY, Admission.REFUSED
ADMISSIONS: dict[tuple[Area, Called, SentBy], Admission] = {
    (Area.CONTROL, Called.OWN, SentBy.PROGRAM): _FREE,
    (Area.CONTROL, Called.OWN, SentBy.SAME): _FREE,
    (Area.CONTROL, Called.OWN, SentBy.OTHER): _REFUSED,
    (Area.CONTROL, Called.PRIVATE, SentBy.PROGRAM): _KEY,
    (Area.CONTROL, Called.PRIVATE, SentBy.SAME): _KEY,
    (Area.CONTROL, Called.PRIVATE, SentBy.OTHER): _REFUSED,
    (Area.CONTROL, Called.FOREIGN, SentBy.PROGRAM): _REFUSED,
    (Area.CONTROL, Called.FOREIGN, SentBy.SAME): _REFUSED,
    (Area.CONTROL, Called.FOREIGN, SentBy.OTHER): _REFUSED,
    # A link may lead here from anywhere; what the page then shows comes from the routes above.
    (Area.PAGE, Called.OWN, SentBy.PROGRAM): _FREE,
    (Area.PAGE, Called.OWN, SentBy.SAME): _FREE,
    (Area.PAGE, Called.OWN, SentBy.OTHER): _FREE,
    (Area.PAGE, Called.PRIVATE, SentBy.PROGRAM): _FREE,
    (Area.PAGE, Called.PRIVATE, SentBy.SAME): _FREE,
    (Area.PAGE, Called.PRIVATE, SentBy.OTHER): _FREE,
    (Area.PAGE, Called.FOREIGN, SentBy.PROGRAM): _REFUSED,
    (Area.PAGE, Called.FOREIGN, SentBy.SAME): _REFUSED,
    (Area.PAGE, Called.FOREIGN, SentBy.OTHER): _REFUSED,
    # These always need the key, which no page can send to another origin unless it is let in by CORS.
    (Area.QUEUE, Called.OWN, SentBy.PROGRAM): _KEY,
    (Area.QUEUE, Called.OWN, SentBy.SAME): _KEY,
    (Area.QUEUE, Called.OWN, SentBy.OTHER): _KEY,
    (Area.QUEUE, Called.PRIVATE, SentBy.PROGRAM): _KEY,
    (Area.QUEUE, Called.PRIVATE, SentBy.SAME): _KEY,
    (Area.QUEUE, Called.PRIVATE, SentBy.OTHER): _KEY,
    (Area.QUEUE, Called.FOREIGN, SentBy.PROGRAM): _KEY,
    (Area.QUEUE, Called.FOREIGN, SentBy.SAME): _REFUSED,
    (Area.QUEUE, Called.FOREIGN, SentBy.OTHER): _REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What the head of a request says of its sender; a field that came twice has both values, behind a comma.

    Attributes:
        scheme: http or https, as it arrived.
        host: Host.
        origin: Origin, or "".
        site: Sec-Fetch-Site, or "".
    """

    scheme: str
    host: str
    origin: str = ""
    site: str = ""

    @property
    def is_page(self) -> bool:
        """Whether a browser may have sent it, as far as it says so."""
        return bool(self.origin or self.site)


class Callers:
    """Decides who is let in.

    Args:
        options: whom it lets in beside this machine.
    """

    def __init__(self, options: Options) -> None:
        self._names = frozenset(name.lower() for name in options.host_names)
        self._origins = frozenset(options.cors)

    def access(self, area: Area, caller: Caller) -> Admission:
        """Say whether a request is let in; pages that CORS lets in are only held to their key."""
        if area is Area.QUEUE and caller.origin in self._origins:
            return Admission.KEY
        return ADMISSIONS[area, self.called(caller.host), sender_of(caller)]

    def refusal(self, area: Area, caller: Caller) -> HttpAnswer:
        """Return the answer to who is refused, with the reason that applies."""
        if self.called(caller.host) is Called.FOREIGN:
            why = f"{caller.host[:200]!r} is not a name by which to call {area.value}; see --allow-host"
        else:
            why = f"{area.value} are not for pages of another origin"
        return json_answer(403, {"error": why})

    def called(self, host: str) -> Called:
        """Say what kind of name this is, in the form of a Host header."""
        found = _HOST.fullmatch(host)
        if found is None:
            return Called.FOREIGN
        name = (found["v6"] or found["name"]).lower()
        if name in _OWN_NAMES:
            return Called.OWN
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            is_private = bool(found["name"]) and ("." not in name or name.endswith(_PRIVATE_ENDINGS))
            return Called.PRIVATE if is_private or name in self._names else Called.FOREIGN
        mapped = getattr(address, "ipv4_mapped", None)
        return Called.OWN if (mapped or address).is_loopback else Called.PRIVATE

    def cors(self, origin: str) -> tuple[tuple[str, str], ...]:
        """Return what lets a page of this origin read an answer; nothing where it is not let in."""
        if not self._origins:
            return ()
        if origin not in self._origins:
            return (("vary", "origin"),)
        return (("access-control-allow-origin", origin), ("access-control-expose-headers", "*"), ("vary", "origin"))

    def preflight(self, method: str, origin: str, wanted: str) -> HttpAnswer | None:
        """Return the answer to a browser that asks what a page may send; None: that is not what is asked.

        Args:
            method: of this request.
            origin: Origin.
            wanted: Access-Control-Request-Headers, which may all be sent; the key is what guards.
        """
        if method != "OPTIONS" or origin not in self._origins:
            return None
        allowed = wanted if re.fullmatch(r"[A-Za-z0-9_, -]*", wanted) else ""
        return HttpAnswer(
            204,
            b"",
            headers=(
                *self.cors(origin),
                ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"),
                ("access-control-allow-headers", allowed or "authorization, content-type"),
                ("access-control-allow-private-network", "true"),  # Chromium asks before it leaves a public page
                ("access-control-max-age", _PREFLIGHT_AGE),
            ),
        )


def sender_of(caller: Caller) -> SentBy:
    """Say who sends a request."""
    if caller.origin and _normal(caller.origin) != _normal(f"{caller.scheme}://{caller.host}"):
        return SentBy.OTHER
    if caller.site not in ("", "none", "same-origin"):  # none: the user's own doing, such as the address bar
        return SentBy.OTHER
    return SentBy.SAME if caller.origin or caller.site == "same-origin" else SentBy.PROGRAM


def _normal(origin: str) -> str:
    scheme, _, place = origin.lower().partition("://")
    return f"{scheme}://{place.removesuffix(_DEFAULT_PORTS.get(scheme, '/'))}"
