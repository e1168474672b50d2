"""Finds API key and base URL where the official package looks for them, then in the environment."""

from __future__ import annotations

import os
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from runpod_sdk._values._service import KEY_VARIABLE, base_url_of_environment

_PACKAGE = __name__.rpartition(".")[0]
# runpod-python 1.12.0 cli/groups/config/functions.py: written by `runpod config`.
_CONFIG, _PROFILE = "~/.runpod/config.toml", "default"


@dataclass(frozen=True, slots=True)
class Access:
    """A key, and what stands before `/{endpoint_id}`. The key is never part of a repr."""

    api_key: str = field(repr=False)
    base_url: str

    @classmethod
    def current(cls, api_key: str | None) -> Access:
        """Return what an endpoint made now uses: its own key, or else the module's.

        Raises:
            RuntimeError: there is no key.
        """
        package = sys.modules[_PACKAGE]
        key = api_key or package.api_key or stored_key()
        if not key:
            raise RuntimeError(
                f"there is no API key: set runpod.api_key, pass api_key=…, set {KEY_VARIABLE}, or put it into {_CONFIG}"
            )
        return cls(key, package.endpoint_url_base)

    @classmethod
    def of_headers(cls, headers: dict[str, str]) -> Access:
        """Return what a job uses that is made with an endpoint's headers."""
        sent = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        return cls.current(sent.removeprefix("Bearer ").strip())

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers as the official client's objects show them."""
        return {"Content-Type": "application/json", "Authorization": f"Bearer {self.api_key}"}

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key cannot be pickled")


def stored_key() -> str | None:
    """Return the key of ~/.runpod/config.toml, as the official package does; else that of the environment."""
    return configured_key() or os.environ.get(KEY_VARIABLE) or None


def stored_base_url() -> str:
    """Return the address that the environment names, or the service's."""
    return base_url_of_environment()[1]


def configured_key() -> str | None:
    """Return the key of the file; a file that cannot be read counts as none, as for the official package."""
    try:
        config: dict[str, Any] = tomllib.loads(Path(_CONFIG).expanduser().read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError):  # RuntimeError: there is no home
        return None
    profile = config.get(_PROFILE)
    key = profile.get("api_key") if isinstance(profile, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    return key if isinstance(key, str) else None
