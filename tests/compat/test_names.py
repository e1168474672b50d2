"""One import line is moved: the names that code for the official client imports, and those that stay with it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runpod_sdk import compat
from runpod_sdk._http._message import VARIABLES

IMPORTS = [
    "from runpod_sdk import compat as runpod; runpod.Endpoint, runpod.AsyncioEndpoint, runpod.AsyncioJob",
    "import runpod_sdk.compat as runpod; runpod.http_client.AsyncClientSession, runpod.endpoint.Job",
    "from runpod_sdk.compat import AsyncioEndpoint, AsyncioJob, Endpoint, http_client",
    "from runpod_sdk.compat.http_client import AsyncClientSession",
    "from runpod_sdk.compat.endpoint import AsyncioEndpoint, AsyncioJob, Endpoint, Job, RunPodClient",
    "from runpod_sdk.compat.endpoint.runner import Endpoint, Job, RunPodClient, is_completed",
    "from runpod_sdk.compat.endpoint.asyncio import Endpoint, Job",
    "from runpod_sdk.compat.endpoint.asyncio.asyncio_runner import Endpoint, Job",
    "from runpod_sdk.compat.endpoint.helpers import FINAL_STATES, is_completed",
    "import runpod_sdk.compat.endpoint.asyncio.asyncio_runner as runner; runner.Job",
    "from runpod_sdk.compat.error import AuthenticationError, QueryError, RunPodError",
    "from runpod_sdk.compat.http_client import ClientSession, SyncClientSession, TooManyRequests, get_auth_header",
    "from runpod_sdk.compat import *; Endpoint, AsyncioEndpoint, endpoint_url_base",
    "import sys, runpod_sdk.compat; sys.modules['runpod'] = runpod_sdk.compat; import runpod; runpod.Endpoint",
]


def in_a_fresh_python(code: str) -> str:
    # Certificates that the environment names are read at once.
    environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(  # noqa: S603  ours
        [sys.executable, "-W", "error", "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.slow
def test_each_import_line_works() -> None:
    code = "\n".join(f"exec({line!r}, {{}})" for line in IMPORTS)
    in_a_fresh_python(code)


@pytest.mark.parametrize("name", ["get_pods", "create_template", "get_user", "create_endpoint"])
def test_a_name_of_the_management_api_names_the_official_package(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"'{name}' belongs to the management API .* pip install runpod"):
        getattr(compat, name)
    assert not hasattr(compat, name)


def test_a_name_of_the_worker_library_names_it_too() -> None:
    with pytest.raises(AttributeError, match=r"'serverless' belongs to the worker library .* pip install runpod"):
        getattr(compat, "serverless")  # noqa: B009  a type checker knows better


def test_any_other_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'runpod_sdk.compat' has no attribute 'Endpiont'$"):
        getattr(compat, "Endpiont")  # noqa: B009  the same


def test_all_is_sorted_and_each_name_is_there() -> None:
    assert sorted(set(compat.__all__)) == compat.__all__
    assert set(compat.__all__) <= set(dir(compat))
    assert [name for name in compat.__all__ if not hasattr(compat, name)] == []


def test_an_import_brings_in_nothing_heavy() -> None:
    code = "import sys; from runpod_sdk import compat as runpod; runpod.Endpoint('e', 'key'); print(*sys.modules)"
    assert not {"httpx", "attr", "asyncio", "runpod_queue_client", "ssl"} & set(in_a_fresh_python(code).split())
