"""Where the service is and as whom we call it: every base URL and every key that people have tried."""

from __future__ import annotations

import pytest

from runpod_sdk import __version__
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._service import BASE_URL_VARIABLES, KEY_VARIABLE, Service


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    for name in BASE_URL_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def resolved(base_url: str | None = None, *, api_key: str | None = "key", allow_http: bool = False) -> Service:
    return Service.resolve(Hidden(api_key), base_url, allow_http=allow_http)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://api.runpod.ai/v2", "https://api.runpod.ai/v2"),
        ("https://api.runpod.ai/v2/", "https://api.runpod.ai/v2"),
        ("https://api.runpod.ai//v2///", "https://api.runpod.ai/v2"),
        ("https://api.runpod.ai", "https://api.runpod.ai/v2"),
        ("https://api.runpod.ai/", "https://api.runpod.ai/v2"),
        (" https://api.runpod.ai/v2\n", "https://api.runpod.ai/v2"),
        ("HTTPS://API.Runpod.AI/v2", "https://api.runpod.ai/v2"),
        ("https://gateway.example/runpod/v2", "https://gateway.example/runpod/v2"),
        ("https://gateway.example:8443/queue", "https://gateway.example:8443/queue"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v2"),
        ("http://localhost:8000/v2", "http://localhost:8000/v2"),
        ("http://emulator.localhost/v2", "http://emulator.localhost/v2"),
        ("http://[::1]:8000/v2", "http://[::1]:8000/v2"),
        ("https://[fe80::1%25eth0]/v2", "https://[fe80::1%eth0]/v2"),
        ("https://münchen.example/v2", "https://xn--mnchen-3ya.example/v2"),
        ("https://my_gateway:8000/v2", "https://my_gateway:8000/v2"),
        ("https://api.runpod.ai./v2", "https://api.runpod.ai./v2"),
        ("https://host:/v2", "https://host/v2"),
        ("https://host/ä b/%20/v2", "https://host/%C3%A4%20b/%20/v2"),
    ],
)
def test_a_base_url_is_what_stands_before_the_endpoint(given: str, meant: str) -> None:
    assert resolved(given).base_url == meant


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "expected"),
        ("api.runpod.ai/v2", "expected"),
        ("ftp://api.runpod.ai/v2", "expected"),
        ("https:///v2", "expected"),
        ("https://host:port/v2", "not a URL"),
        ("https://host:99999/v2", "not a URL"),
        ("https://[::1/v2", "not a URL"),
        ("https://[::1]x/v2", "not a URL"),
        ("https://[::zz]/v2", "not a URL"),
        ("https://[v1.x]/v2", "not a URL"),
        ("https://host:0/v2", "not a URL"),
        ("https://host: 80/v2", "not a URL"),
        ("https://api..runpod.ai/v2", "no host is called"),
        ("https://.runpod.ai/v2", "no host is called"),
        (f"https://{'a' * 64}.ai/v2", "no host is called"),
        (f"https://{'.'.join(['a' * 60] * 5)}/v2", "no host is called"),
        ("https://api runpod.ai/v2", "no host is called"),
        ("https://*.runpod.ai/v2", "no host is called"),
        ("https://api%2erunpod.ai/v2", "no host is called"),
        ("https://\udc80.ai/v2", "no host is called"),
        ("https://999.1.1.1/v2", "not a URL"),
        ("https://host/\udc80/v2", "not a URL"),
        ("https://host/../v2", "without . and .."),
        ("https://ho\nst/v2", "control character"),
        ("https://ho\0st/v2", "control character"),
        ("https://host/v2?key=1", "query"),
        ("https://host/v2#top", "fragment"),
        ("https://api.runpod.ai/v2/abc123", 'already names an endpoint ("abc123")'),
        ("https://api.runpod.ai/v2/abc123/run/", 'already names an endpoint ("abc123/run")'),
        ("http://api.runpod.ai/v2", "unencrypted"),
        ("http://127.0.0.1.example/v2", "unencrypted"),
        ("http://localhost.example/v2", "unencrypted"),
        ("http://0.0.0.0/v2", "unencrypted"),
    ],
)
def test_a_base_url_that_cannot_be_meant_is_refused_by_name(given: str, why: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        resolved(given)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "https://user:hunter2@api.runpod.ai/v2",
        "https://hunter2@api.runpod.ai/v2",
        "https:///user:hunter2@api.runpod.ai/v2",
        "https:/user:hunter2@api.runpod.ai/v2",
        "user:hunter2@api.runpod.ai/v2",
    ],
)
def test_a_password_in_a_base_url_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(ValueError, match="user name or password") as caught:
        resolved(given)
    assert "hunter2" not in str(caught.value)


def test_a_query_may_be_a_secret_and_is_not_shown() -> None:
    for given in ("https://host/v2?token=hunter2", "https://host/v2#hunter2", "host?hunter2"):
        with pytest.raises(ValueError, match="base_url") as caught:
            resolved(given)
        assert "hunter2" not in str(caught.value)


def test_http_to_another_machine_has_to_be_asked_for() -> None:
    service = resolved("http://queue.internal/v2", allow_http=True)
    assert (service.base_url, service.is_loopback) == ("http://queue.internal/v2", False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost", "a.localhost"])
def test_this_machine_is_known_as_such(host: str) -> None:
    assert resolved(f"http://{host}:1/v2").is_loopback
    assert not resolved("https://api.runpod.ai/v2").is_loopback


def test_base_url_comes_from_the_environment_and_errors_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL_VARIABLES[0], "https://gateway.example/v2/")
    assert resolved().base_url == "https://gateway.example/v2"
    assert resolved("https://other.example").base_url == "https://other.example/v2"
    monkeypatch.setenv(BASE_URL_VARIABLES[0], "gateway.example")
    with pytest.raises(ValueError, match=BASE_URL_VARIABLES[0]):
        resolved()


def test_of_two_variables_the_one_that_all_versions_read_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_INVOKE_URL", "https://second.example/v2")
    assert resolved().base_url == "https://second.example/v2"
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "https://first.example/v2")
    assert resolved().base_url == "https://first.example/v2"
    monkeypatch.delenv("RUNPOD_ENDPOINT_BASE_URL")
    monkeypatch.setenv("RUNPOD_INVOKE_URL", "second.example")
    with pytest.raises(ValueError, match="RUNPOD_INVOKE_URL"):
        resolved()


@pytest.mark.parametrize("value", [None, ""])
def test_without_any_base_url_it_is_the_service_itself(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv(BASE_URL_VARIABLES[0], value)
    assert resolved().base_url == "https://api.runpod.ai/v2"


def test_the_variables_that_workers_have_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_BASE_URL", "https://wrong.example")
    monkeypatch.setenv("RUNPOD_AI_API_KEY", "wrong")
    assert resolved().base_url == "https://api.runpod.ai/v2"
    with pytest.raises(ValueError, match=KEY_VARIABLE):
        resolved(api_key=None)


@pytest.mark.parametrize(("key", "found"), [(None, "is missing"), ("", "is empty"), (" \n", "is empty")])
def test_a_missing_key_names_the_variable(key: str | None, found: str) -> None:
    with pytest.raises(ValueError, match=rf"the API key {found}: .*{KEY_VARIABLE}"):
        resolved(api_key=key)


def test_the_key_comes_from_the_environment_without_its_newline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "rpa_FROM_FILE\n")
    assert resolved(api_key=None).headers.reveal()["authorization"] == "Bearer rpa_FROM_FILE"
    assert resolved(api_key="rpa_ARGUMENT").headers.reveal()["authorization"] == "Bearer rpa_ARGUMENT"


@pytest.mark.parametrize("key", ["Bearer hunter2", "hunter\r\n2", "hunter\x002", "hunterä2", "hunter\t2"])
def test_what_no_header_carries_is_no_key_and_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="api_key holds") as caught:
        resolved(api_key=key)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("wrong", [b"key", 5])
def test_a_key_or_url_that_is_no_string_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError, match="api_key is of type"):
        resolved(api_key=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="base_url is of type"):
        resolved(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_no_repr_shows_the_key() -> None:
    assert "hunter2" not in repr(resolved(api_key="hunter2"))


def test_every_request_says_who_asks() -> None:
    assert resolved().headers.reveal()["user-agent"].startswith(f"runpod-sdk-python/{__version__} ")
