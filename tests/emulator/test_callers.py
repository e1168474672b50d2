"""Who is let in: by the name that was called, and by the page that a request comes from."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod_sdk.emulator import Emulator, Fault, Options
from runpod_sdk.emulator._doors._callers import ADMISSIONS, Admission, Area, Called, Caller, Callers, SentBy, sender_of
from runpod_sdk.emulator._doors._control_api import CONTROL_ROUTES
from runpod_sdk.emulator._routes._router import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk.emulator._doors._control_api import ControlRoute
    from runpod_sdk.emulator._routes._route import Route

KEY = {"authorization": "test"}
PAGE = "http://app.example:3000"
CALLERS = Callers(Options(cors=(PAGE,), host_names=("ci.example",)))


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(options=Options(cors=(PAGE,), host_names=("ci.example",))) as emulator:
        emulator.serve()
        emulator.endpoint("e", workers=0)
        yield emulator


@pytest.fixture(scope="module")
def root(emulator: Emulator) -> str:
    return emulator.serve().url.removesuffix("/v2")


def test_the_table_has_a_row_for_every_case() -> None:
    assert set(ADMISSIONS) == set(itertools.product(Area, Called, SentBy))


def test_no_page_of_another_origin_reaches_a_control_route() -> None:
    rows = [
        access for (area, _, sender), access in ADMISSIONS.items() if (area, sender) == (Area.CONTROL, SentBy.OTHER)
    ]
    assert set(rows) == {Admission.REFUSED}


def test_a_name_that_may_be_somebody_elses_reaches_no_control_route() -> None:
    rows = [
        access for (area, called, _), access in ADMISSIONS.items() if (area, called) == (Area.CONTROL, Called.FOREIGN)
    ]
    assert set(rows) == {Admission.REFUSED}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", Called.OWN),
        ("LOCALHOST:1", Called.OWN),
        ("127.0.0.1:8000", Called.OWN),
        ("127.1.2.3", Called.OWN),
        ("[::1]:8000", Called.OWN),
        ("[::ffff:127.0.0.1]", Called.OWN),
        ("emulator.invalid", Called.OWN),
        ("192.168.1.5:8000", Called.PRIVATE),
        ("0.0.0.0", Called.PRIVATE),  # noqa: S104  a name
        ("[fd00::1]", Called.PRIVATE),
        ("emulator:8000", Called.PRIVATE),  # a service in compose
        ("host.docker.internal:8000", Called.PRIVATE),
        ("app.localhost", Called.PRIVATE),
        ("CI.example:8000", Called.PRIVATE),
        ("evil.example", Called.FOREIGN),
        ("ci.example.evil.example", Called.FOREIGN),
        ("localhost.evil.example", Called.FOREIGN),
        ("127.0.0.1.nip.io", Called.FOREIGN),
        ("localhost.", Called.FOREIGN),
        ("127.1", Called.FOREIGN),
        ("0x7f.0.0.1", Called.FOREIGN),
        ("[::1]evil.com", Called.FOREIGN),
        ("[::1", Called.FOREIGN),
        ("[localhost]", Called.FOREIGN),
        ("127.0.0.1@evil.com", Called.FOREIGN),
        ("localhost evil", Called.FOREIGN),
        ("localhost, evil.example", Called.FOREIGN),
        ("localhost:port", Called.FOREIGN),
        ("localhost\n", Called.FOREIGN),
        ("evil.internal.example", Called.FOREIGN),
        ("", Called.FOREIGN),
    ],
)
def test_what_kind_of_name_is_called(host: str, expected: Called) -> None:
    assert CALLERS.called(host) is expected


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "site", "expected"),
    [
        ("http", "localhost:8000", "", "", SentBy.PROGRAM),
        ("http", "localhost:8000", "", "none", SentBy.PROGRAM),
        ("http", "localhost:8000", "http://localhost:8000", "", SentBy.SAME),
        ("http", "localhost:8000", "http://LOCALHOST:8000", "same-origin", SentBy.SAME),
        ("http", "localhost:8000", "", "same-origin", SentBy.SAME),
        ("http", "localhost:80", "http://localhost", "", SentBy.SAME),
        ("https", "localhost", "https://localhost:443", "", SentBy.SAME),
        ("http", "localhost:8000", "http://localhost:3000", "same-site", SentBy.OTHER),
        ("http", "localhost:8000", "http://127.0.0.1:8000", "", SentBy.OTHER),
        ("http", "localhost:8000", "https://localhost:8000", "", SentBy.OTHER),
        ("http", "localhost:8000", "null", "", SentBy.OTHER),
        ("http", "localhost:8000", "http://evil.example", "", SentBy.OTHER),
        ("http", "localhost:8000", "http://localhost:8000, http://evil.example", "", SentBy.OTHER),
        ("http", "localhost:8000", "http://localhost:8000", "cross-site", SentBy.OTHER),
        ("http", "localhost:8000", "", "cross-site", SentBy.OTHER),
        ("http", "localhost:8000", "", "same-site", SentBy.OTHER),
        ("http", "localhost:8000", "", "something new", SentBy.OTHER),
        ("http", "", "http://", "", SentBy.SAME),
    ],
)
def test_who_sends(scheme: str, host: str, origin: str, site: str, expected: SentBy) -> None:
    assert sender_of(Caller(scheme=scheme, host=host, origin=origin, site=site)) is expected


CROSS = [
    {"origin": "http://evil.example"},
    {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"origin": PAGE},  # let in to the queue, and there alone
    {"host": "evil.example"},  # rebinding: reads without Origin
    {"host": "evil.example", "origin": "http://evil.example"},
]


@pytest.mark.one_in(8)
@pytest.mark.parametrize("headers", CROSS, ids=str)
@pytest.mark.parametrize("route", CONTROL_ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_every_control_route_refuses_other_pages_even_with_the_key(
    emulator: Emulator, root: str, route: ControlRoute, headers: dict[str, str]
) -> None:
    method, path = route.method, re.sub(r"{.*}", "1", route.path)
    fault = emulator.inject(Fault.status(503, on="purge-queue"))
    answer = httpx.request(method, f"{root}/_emulator/{path}", headers=headers | KEY | {"content-type": "text/plain"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert fault in emulator.faults.all()
    emulator.faults.clear()


def test_no_control_route_changes_anything_by_get() -> None:
    reads = {row.path for row in CONTROL_ROUTES if row.method == "GET"}
    told = {"events", "jobs/{id}", "ready", "state", "openapi.json", "faults", "ledger", "verdict", "clock", "metrics"}
    assert reads == told | {"tests"}
    assert {row.method for row in CONTROL_ROUTES} == {"GET", "POST", "DELETE"}


@pytest.mark.parametrize(
    ("host", "key", "code"),
    [
        ("localhost:8000", None, 200),
        ("[::1]:8000", None, 200),
        ("192.168.1.5:8000", None, 401),
        ("192.168.1.5:8000", "wrong", 401),
        ("192.168.1.5:8000", "test", 200),
        ("host.docker.internal:8000", "Bearer test", 200),
        ("ci.example", "test", 200),
        ("ci.example", None, 401),
        ("evil.example", "test", 403),
        ("", "test", 403),
    ],
)
def test_by_another_name_the_key_is_needed(root: str, host: str, key: str | None, code: int) -> None:
    headers = {"host": host} | ({} if key is None else {"authorization": key})
    assert httpx.get(f"{root}/_emulator/ready", headers=headers).status_code == code


@pytest.mark.parametrize("path", ["ready", "state", "events", "nothing"])
def test_a_browser_that_says_nothing_of_itself_gives_no_answer_to_another_page(root: str, path: str) -> None:
    with httpx.stream("GET", f"{root}/_emulator/{path}") as answer:
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "headers", "said"),
    [
        (
            "_emulator/reset",
            {"origin": "http://evil.example"},
            "the routes under /_emulator are not for pages of another origin",
        ),
        (
            "_emulator/reset",
            {"host": "evil.example"},
            "'evil.example' is not a name by which to call the routes under /_emulator; see --allow-host",
        ),
        (
            "v2/e/run",
            {"host": "a.example", "origin": "http://a.example"},
            "'a.example' is not a name by which to call the routes of the service; see --allow-host",
        ),
    ],
)
def test_a_refusal_names_only_the_reason_that_applies(root: str, path: str, headers: dict[str, str], said: str) -> None:
    assert httpx.post(f"{root}/{path}", headers=KEY | headers).json() == {"error": said}


def test_in_process_the_same_is_refused() -> None:
    with Emulator() as emulator, httpx.Client(transport=emulator.transport) as client:
        url = "https://emulator.invalid/_emulator/reset"
        assert client.post(url).status_code == 200
        assert client.post(url, headers={"origin": "https://emulator.invalid"}).status_code == 200
        for headers in CROSS:
            assert client.post(url, headers=headers).status_code == 403


@pytest.mark.one_in(3)
@pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
def test_every_route_of_the_service_refuses_a_page_by_a_foreign_name(root: str, route: Route) -> None:
    path = "/".join("x" if piece.startswith("{") else piece for piece in route.segments)
    method = route.methods[0]
    headers = KEY | {"host": "evil.example:1", "origin": "http://evil.example:1"}
    assert httpx.request(method, f"{root}/v2/e/{path}", headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "emulator:8000", "host.docker.internal", "gateway.example", "10.0.0.1"])
def test_programs_reach_the_service_by_any_name(root: str, host: str) -> None:
    assert httpx.get(f"{root}/v2/e/health", headers=KEY | {"host": host}).status_code == 200


def preflight(root: str, origin: str, path: str = "/v2/e/run") -> httpx.Response:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-mine"}
    return httpx.request("OPTIONS", root + path, headers=asked | {"origin": origin, "sec-fetch-site": "cross-site"})


def test_a_page_that_is_let_in_may_call_the_service(emulator: Emulator, root: str) -> None:
    asked = preflight(root, PAGE)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert asked.headers["access-control-allow-headers"] == "authorization,x-mine"
    assert "POST" in asked.headers["access-control-allow-methods"]
    before = len(emulator.jobs)
    headers = KEY | {"origin": PAGE, "sec-fetch-site": "cross-site"}
    sent = httpx.post(f"{root}/v2/e/run", headers=headers, content=json.dumps({"input": {"n": 1}}))
    assert (sent.status_code, len(emulator.jobs)) == (200, before + 1)
    assert (sent.headers["access-control-allow-origin"], sent.headers["vary"]) == (PAGE, "origin")
    assert "access-control-allow-credentials" not in sent.headers


def test_it_can_read_refusals_and_what_faults_answer(emulator: Emulator, root: str) -> None:
    unknown = httpx.get(f"{root}/v2/e/status/none", headers=KEY | {"origin": PAGE})
    assert (unknown.status_code, unknown.headers["access-control-allow-origin"]) == (404, PAGE)
    assert httpx.get(f"{root}/v2/e/health", headers={"origin": PAGE}).headers["access-control-allow-origin"] == PAGE
    with emulator.inject(Fault.status(503, on="health")):
        struck = httpx.get(f"{root}/v2/e/health", headers=KEY | {"origin": PAGE})
    assert (struck.status_code, struck.headers["access-control-allow-origin"]) == (503, PAGE)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"{PAGE}0", PAGE.upper()])
def test_no_other_page_is_let_in(root: str, origin: str) -> None:
    asked = preflight(root, origin)
    assert asked.status_code == 405
    read = httpx.get(f"{root}/v2/e/health", headers=KEY | {"origin": origin})
    assert not [name for name in (*asked.headers, *read.headers) if name.startswith("access-control")]


def test_control_routes_have_no_preflight(root: str) -> None:
    assert preflight(root, PAGE, "/_emulator/reset").status_code == 403


@pytest.mark.parametrize(
    "origin", ["*", "null", "localhost:3000", "http://a.example/", "ftp://a", "", "http://A.example"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="cors="):
        Emulator(options=Options(cors=(origin,)))


@pytest.mark.parametrize("name", ["", "a:1", "http://a", "a b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="host_names="):
        Emulator(options=Options(host_names=(name,)))
