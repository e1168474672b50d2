"""Which proxy the environment names for the service, and whether it can be used. Pure, but for system settings.

Lower case wins over upper case, the variable of the service's scheme over that of all, as everywhere in Python. Source:
docs.python.org, library/urllib.request#urllib.request.getproxies.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from runpod_sdk._values._urls import host_and_port
from runpod_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

# The kinds of proxies that httpx knows; those of the second line with the extra `socks`.
_PLAIN = ("http", "https")
_SOCKS = ("socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that can be used, and the variable that names it. Its URL may hold a password."""

    variable: str
    url: str = field(repr=False)

    @property
    def is_secure(self) -> bool:
        """Whether it has a certificate of its own to be checked."""
        return self.url.startswith("https:")


def proxy_of(scheme: str, host: str, port: int | None, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a service, if there is one.

    Raises:
        ConfigurationError: there is one that cannot be used.
    """
    named = {kind: _variable(environ, f"{kind}_proxy") for kind in ("http", "https", "all", "no")}
    if "REQUEST_METHOD" in environ and named["http"][0] != "http_proxy":
        named["http"] = ("", "")  # in CGI it is a header of whoever calls
    if not any(value for _, value in named.values()):
        return _proxy_of_system(scheme, host) if sys.platform in ("darwin", "win32") else None
    variable, given = named[scheme] if named[scheme][1] else named["all"]
    if not given or is_exempt(scheme, host, port or _PORTS[scheme], named["no"][1]):
        return None
    return checked_proxy(variable, given)


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return a variable in its case, and its value; a lower one that is empty takes away what an upper one says."""
    if name in environ:
        return name, environ[name].strip()
    return next(((each, value.strip()) for each, value in environ.items() if each.lower() == name), (name, ""))


def _proxy_of_system(scheme: str, host: str) -> Proxy | None:
    """Return the proxy in the settings of Windows or macOS, as httpx finds it."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  30 ms

    named = getproxies()
    given = named.get(scheme) or named.get("all")
    return None if not given or proxy_bypass(host) else checked_proxy("the system's proxy", given)


def is_exempt(scheme: str, host: str, port: int, exempt: str) -> bool:
    """Whether NO_PROXY names a host: `*`, a name with all below it, an address, a network; each perhaps with a port."""
    for entry in filter(None, re.split(r"[\s,]+", exempt.lower())):
        kind, mark, place = entry.rpartition("://")
        if entry == "*" or ((not mark or kind in ("all", scheme)) and _covers(place.rstrip("/"), host, port)):
            return True
    return False


def _covers(entry: str, host: str, port: int) -> bool:
    with_port = re.fullmatch(r"(\[.*\]|[^:]*):([0-9]+)", entry)
    if with_port is not None:
        entry = with_port[1]
        if int(with_port[2]) != port:
            return False
    try:
        address = ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        return bool(name) and f".{host.rstrip('.')}".endswith(f".{name}")
    try:
        return address in ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def checked_proxy(variable: str, given: str) -> Proxy:
    """Return a proxy that can be used; "host:port" means one for http.

    Raises:
        ConfigurationError: it cannot; the error shows no password.
    """
    shown = re.sub(r"^(.*://)?.*@", r"\1***@", given)

    def refuse(why: str) -> NoReturn:
        raise ConfigurationError(f"{variable}={shown!r}: {why}", variable=variable)

    if re.search(r"[\x00-\x20\x7f]", given):
        refuse("the URL of a proxy holds no blanks")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/(?!/)", given):
        refuse("the URL of a proxy, such as http://host:port, expected")
    scheme, _, rest = (given if "://" in given else f"http://{given}").partition("://")
    scheme = scheme.lower()
    if scheme not in (*_PLAIN, *_SOCKS):
        refuse(f"no such kind of proxy is known; {', '.join((*_PLAIN, *_SOCKS))} are")
    login, mark, netloc = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
    if not mark and "@" in rest:
        refuse("a / ? or # in a user name or password has to be escaped, as %2F %3F %23")
    try:
        host, port = host_and_port(netloc)
    except ValueError as error:
        refuse(f"it is not the URL of a proxy: {error}")
    if not host:
        refuse("it names no host")
    if scheme in _SOCKS and find_spec("socksio") is None:
        refuse("a SOCKS proxy needs an extra: pip install 'runpod-sdk[socks]'")
    host = f"[{host}]" if ":" in host else host
    return Proxy(variable, f"{scheme}://{login}{mark}{host}" + (f":{port}" if port else ""))
