"""A drop-in for the official client: `from runpod_sdk import compat as runpod`.

The names, arguments and return types of the official package `runpod` 1.12.0, as far as they call endpoints, on top of
`Client` and `AsyncClient`. Its defects are left out: failed jobs raise, streams end, input is wrapped once. What is
different, and how each call is written natively: docs/migration.md.

Both are read when an endpoint is made:

Attributes:
    api_key: the key; set it, or leave it to `~/.runpod/config.toml` and then to RUNPOD_API_KEY.
    endpoint_url_base: what stands before `/{endpoint_id}`; set it, or leave it to RUNPOD_ENDPOINT_BASE_URL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from runpod_sdk._values._version import __version__

from . import _access

if TYPE_CHECKING:
    from . import endpoint, error, http_client
    from ._async import AsyncioEndpoint, AsyncioJob
    from ._sync import Endpoint

__all__ = [
    "AsyncioEndpoint",
    "AsyncioJob",
    "Endpoint",
    "__version__",
    "api_key",
    "endpoint",
    "endpoint_url_base",
    "error",
    "http_client",
]

# Neither has a value until it is set: what is not set is looked up when it is read, so that a dotenv file or a test
# may still change the environment after the import.
api_key: str | None
endpoint_url_base: str

_ROOM_OF = {"AsyncioEndpoint": "_async", "AsyncioJob": "_async", "Endpoint": "_sync"}
_MODULES = frozenset({"endpoint", "error", "http_client"})

# What the official package has beside that, and what it belongs to. runpod-python 1.12.0 __init__.py
_ELSEWHERE = dict.fromkeys(
    (
        "api",
        "create_container_registry_auth",
        "create_endpoint",
        "create_pod",
        "create_template",
        "delete_container_registry_auth",
        "get_endpoints",
        "get_gpu",
        "get_gpus",
        "get_pod",
        "get_pods",
        "get_user",
        "resume_pod",
        "stop_pod",
        "terminate_pod",
        "update_container_registry_auth",
        "update_endpoint_template",
        "update_user_settings",
    ),
    "the management API",
) | {
    "RunPodLogger": "the worker library",
    "serverless": "the worker library",
    "SSH_KEY_PATH": "the command line",
    "agent": "the command line",
    "check_credentials": "the command line",
    "cli": "the command line",
    "get_credentials": "the command line",
    "profile": "the command line",
    "set_credentials": "the command line",
    "user_agent": "the command line",
    "version": "the command line",
}

if not TYPE_CHECKING:  # for a type checker it would hide names that do not exist

    def __getattr__(name: str) -> object:
        if name == "api_key":
            return _access.stored_key()
        if name == "endpoint_url_base":
            return _access.stored_base_url()
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name in _ROOM_OF:
            value = globals()[name] = getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)
            return value
        if name in _ELSEWHERE:
            raise AttributeError(
                f"{__name__} calls endpoints; {name!r} belongs to {_ELSEWHERE[name]} of Runpod's official package: "
                "pip install runpod, and import runpod beside this module"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
