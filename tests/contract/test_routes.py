"""The emulator's rows of routes against the document: paths, methods, limits and rates, none missing, none more."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator._doors._control_api import CONTROL_ROUTES, PREFIX
from runpod_sdk.emulator._limits import RATES_WINDOW
from runpod_sdk.emulator._record._faults import USER_OPERATIONS, WORKER_OPERATIONS
from runpod_sdk.emulator._routes._client_routes import CLIENT_ROUTES
from runpod_sdk.emulator._routes._router import ROUTES
from runpod_sdk.emulator._routes._worker_routes import WORKER_ROUTES

if TYPE_CHECKING:
    from runpod_sdk.emulator._routes._route import Route

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "runpod_sdk" / "emulator" / "openapi.json").read_text(encoding="utf-8"))
RATES = {route.name: route.rate for route in CLIENT_ROUTES}

pytestmark = pytest.mark.contract


def path_of(route: Route) -> str:
    """Return the path in the document's words."""
    return "/{endpoint_id}/" + re.sub(r"{(\w+)}", r"{\1_id}", route.path)


def documented(route: Route) -> dict[str, dict[str, Any]]:
    """Return the operations of the document at this path, by method, but for those that have a row of their own."""
    item = DOCUMENT["paths"][path_of(route)]
    of_others = {
        method for row in CLIENT_ROUTES if row.path == route.path and row is not route for method in row.methods
    }
    methods = [method for method in item if method in ("get", "post", "put", "delete", "patch")]
    return {method.upper(): item[method] for method in methods if method.upper() not in of_others}


def test_users_have_a_row_for_each_path_of_the_document_and_no_other() -> None:
    assert {path_of(route) for route in CLIENT_ROUTES} == set(DOCUMENT["paths"])


@pytest.mark.parametrize("route", CLIENT_ROUTES, ids=lambda route: route.name)
def test_a_row_lets_in_the_methods_of_the_document(route: Route) -> None:
    assert sorted(route.methods) == sorted(documented(route))


@pytest.mark.parametrize("route", CLIENT_ROUTES, ids=lambda route: route.name)
def test_a_row_has_the_rate_of_the_document(route: Route) -> None:
    for operation in documented(route).values():
        rate = operation.get("x-rate-limit")
        kept = RATES[route.counts_as or route.name]
        if rate is None:
            assert kept is None
        else:
            assert rate["perSeconds"] == RATES_WINDOW
            assert kept == (rate["requests"], rate.get("concurrent", float("inf")))
            assert not route.counts_as or f"together with /{route.counts_as}" in rate["scope"]


@pytest.mark.parametrize("route", CLIENT_ROUTES, ids=lambda route: route.name)
def test_a_row_takes_as_large_a_body_as_the_document_says(route: Route) -> None:
    for operation in documented(route).values():
        said = re.search(r"(\d+) MiB", operation["description"])
        assert route.body_mib == (int(said[1]) if said else 0)
        assert bool(route.body_mib) == ("requestBody" in operation)


def test_each_row_is_found_and_can_be_struck_by_faults() -> None:
    assert len(ROUTES) == len(CLIENT_ROUTES) + len(WORKER_ROUTES) + 1, "two rows have one name"
    for route in ROUTES.values():
        assert route.operations <= (WORKER_OPERATIONS if route.is_for_workers else USER_OPERATIONS)
        assert route.is_for_workers == ("worker" in route.ids)


def test_the_page_names_only_control_routes_that_there_are() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    named = set(re.findall(rf"`(GET|POST|DELETE) {PREFIX}([^`]+)`", page))
    assert named
    assert named <= {(row.method, row.path) for row in CONTROL_ROUTES}
