"""Base URL, API key, and the headers that follow from them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ._hidden import Hidden
from ._operations import OPERATIONS
from ._urls import checked_url
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE_URL = "https://api.runpod.ai/v2"  # docs: operation-reference
KEY_VARIABLE = "RUNPOD_API_KEY"
# The first that is set: runpod-python 1.12.0 reads the one; REPORTED: runpod-python 2.0 reads the other.
BASE_URL_VARIABLES = ("RUNPOD_ENDPOINT_BASE_URL", "RUNPOD_INVOKE_URL")
USER_AGENT = f"runpod-sdk-python/{__version__} (Python {sys.version_info.major}.{sys.version_info.minor})"


def base_url_of_environment() -> tuple[str, str]:
    """Return the variable that names the service, and what it says; where none is set, the service itself."""
    variable = next((name for name in BASE_URL_VARIABLES if os.environ.get(name)), BASE_URL_VARIABLES[0])
    return variable, os.environ.get(variable) or DEFAULT_BASE_URL


@dataclass(frozen=True, slots=True)
class Service:
    """A checked base URL and the key to it.

    Attributes:
        base_url: what stands before an endpoint's id; or before an operation, where it is the URL of one endpoint.
        is_endpoint: whether it is that of one endpoint.
    """

    base_url: str
    api_key: Hidden[str]
    is_loopback: bool = False
    allow_http: bool = False
    is_endpoint: bool = False

    @classmethod
    def resolve(cls, api_key: Hidden[str | None], base_url: str | None, *, allow_http: bool) -> Service:
        """Check both, taking what is None from the environment.

        Raises:
            TypeError, ValueError: no key, a key that no header can carry, or an invalid base URL.
        """
        if base_url is None:
            variable, given = base_url_of_environment()
        else:
            variable, given = "base_url", _text("base_url", base_url)
        place = checked_url(variable, given, allow_http=allow_http)
        if "v2" in place.segments[:-1]:
            after = "/".join(place.segments[place.segments.index("v2") + 1 :])
            why = f'already names an endpoint ("{after}"): end it with /v2 and use client.endpoint(…)'
            raise ValueError(f"{variable}={given!r} {why}")
        return cls(place.url("v2"), _checked_key(api_key), place.is_loopback, allow_http)

    def at(self, url: str) -> Service:
        """Return one endpoint at a URL of its own, called with the same key.

        Raises:
            TypeError, ValueError: an invalid URL.
        """
        place = checked_url("url", _text("url", url), allow_http=self.allow_http)
        if place.segments and place.segments[-1] in OPERATIONS:
            raise ValueError(f"url={place.url()!r} is that of an operation: leave /{place.segments[-1]} out")
        return Service(place.url(), self.api_key, place.is_loopback, self.allow_http, is_endpoint=True)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key cannot be pickled")

    @property
    def headers(self) -> Hidden[Mapping[str, str]]:
        """Return what every request carries."""
        return Hidden(
            {
                "authorization": f"Bearer {self.api_key.reveal()}",
                "accept": "application/json",
                "accept-encoding": "gzip, deflate",
                "user-agent": USER_AGENT,
            }
        )


def _checked_key(given: Hidden[str | None]) -> Hidden[str]:
    """Return the key. What is wrong with it is found out where nobody sees it."""
    why = _problem(given)
    if why is not None:
        raise (TypeError if "of type" in why else ValueError)(why)
    return Hidden(_key(given))


def _key(given: Hidden[str | None]) -> str:
    key = given.reveal()
    return (os.environ.get(KEY_VARIABLE, "") if key is None else key).strip()


def _problem(given: Hidden[Any]) -> str | None:
    """Say what is wrong with a key."""
    value = given.reveal()
    if value is not None and not isinstance(value, str):
        return f"api_key is of type {type(value).__name__}: a string expected"
    key = _key(given)
    if not key:
        found = "is missing" if value is None and KEY_VARIABLE not in os.environ else "is empty"
        return f"the API key {found}: pass api_key=… or set the environment variable {KEY_VARIABLE}"
    if not (key.isascii() and key.isprintable()) or " " in key:
        return "api_key holds white space, control or non-ASCII characters: it cannot be a key"
    return None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}: a string expected")
    return value
