"""Which proxy the environment names, and what of it cannot be meant: told by its variable, without a password."""

from __future__ import annotations

import pytest

from runpod_sdk import ConfigurationError
from runpod_sdk._http import _proxies
from runpod_sdk._http._proxies import checked_proxy, is_exempt, proxy_of


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(_proxies, "find_spec", str)  # whatever is asked for is there


def found(environ: dict[str, str], scheme: str = "https", host: str = "api.runpod.ai", port: int | None = None) -> str:
    proxy = proxy_of(scheme, host, port, environ)
    return "" if proxy is None else f"{proxy.variable} {proxy.url}"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://p:1"}, "HTTPS_PROXY http://p:1"),
        ({"https_proxy": "http://p:1"}, "https_proxy http://p:1"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "https_proxy http://p:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:2"}, ""),
        ({"Https_Proxy": "http://p:1"}, "Https_Proxy http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "ALL_PROXY http://p:1"),
        ({"all_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "HTTPS_PROXY http://q:2"),
        ({"HTTPS_PROXY": "  ", "ALL_PROXY": "http://p:1"}, "ALL_PROXY http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, ""),
        ({"HTTPS_PROXY": " http://p:1\n"}, "HTTPS_PROXY http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "HTTPS_PROXY http://p:1"),
        ({"HTTPS_PROXY": "p"}, "HTTPS_PROXY http://p"),
        ({"HTTPS_PROXY": "u:w@p:1"}, "HTTPS_PROXY http://u:w@p:1"),
        ({"HTTPS_PROXY": "http://p:1/"}, "HTTPS_PROXY http://p:1"),
        ({"HTTPS_PROXY": "HTTPS://P.Example"}, "HTTPS_PROXY https://p.example"),
        ({"HTTPS_PROXY": "http://[::1]:1"}, "HTTPS_PROXY http://[::1]:1"),
        ({"HTTPS_PROXY": "SOCKS5://p:1"}, "HTTPS_PROXY socks5://p:1"),
        ({"ALL_PROXY": "socks5h://u:w@p:1"}, "ALL_PROXY socks5h://u:w@p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "runpod.ai"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "runpod.ai", "no_proxy": ""}, "HTTPS_PROXY http://p:1"),
        ({"HTTPS_PROXY": "socks4://p:1", "NO_PROXY": "*"}, ""),  # what is not used is not looked at
    ],
)
def test_the_proxy_of_the_service(environ: dict[str, str], expected: str) -> None:
    assert found(environ) == expected


def test_a_header_of_a_cgi_call_is_no_proxy() -> None:
    assert not found({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http")
    assert found({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "http") == "http_proxy http://p:1"


@pytest.mark.parametrize(
    ("exempt", "host", "port", "expected"),
    [
        ("", "api.runpod.ai", 443, False),
        ("*", "api.runpod.ai", 443, True),
        ("other.example, *", "api.runpod.ai", 443, True),
        ("api.runpod.ai", "api.runpod.ai", 443, True),
        ("API.RunPod.AI", "api.runpod.ai", 443, True),
        ("runpod.ai", "api.runpod.ai", 443, True),
        (".runpod.ai", "api.runpod.ai", 443, True),
        ("*.runpod.ai", "api.runpod.ai", 443, True),
        ("pod.ai", "api.runpod.ai", 443, False),
        ("i.runpod.ai", "api.runpod.ai", 443, False),
        ("a.example,,  runpod.ai ", "api.runpod.ai", 443, True),
        ("a.example runpod.ai", "api.runpod.ai", 443, True),
        ("runpod.ai:443", "api.runpod.ai", 443, True),
        ("runpod.ai:8443", "api.runpod.ai", 443, False),
        ("https://runpod.ai", "api.runpod.ai", 443, True),
        ("http://runpod.ai", "api.runpod.ai", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.1:80", "10.0.0.1", 443, False),
        ("::1", "::1", 443, True),
        ("[::1]", "::1", 443, True),
        ("[::1]:443", "::1", 443, True),
        ("fd00::/8", "fd00::1", 443, True),
        ("0.0.1", "10.0.0.1", 443, False),
        (".", "api.runpod.ai", 443, False),
    ],
)
def test_what_no_proxy_exempts(exempt: str, host: str, port: int, expected: bool) -> None:  # noqa: FBT001
    assert is_exempt("https", host, port, exempt) == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("socks4://p:1", "no such kind of proxy"),
        ("socks://p:1", "no such kind of proxy"),
        ("ftp://p:1", "no such kind of proxy"),
        ("://p:1", "no such kind of proxy"),
        ('"http://p:1"', "no such kind of proxy"),
        ("http:/p:1", "expected"),
        ("http://[::1", "not the URL of a proxy"),
        ("http://p:port", "not the URL of a proxy"),
        ("http://p:0", "not the URL of a proxy"),
        ("http://p:99999", "not the URL of a proxy"),
        ("http://p q:1", "blanks"),
        ("http://a..b:1", "not the URL of a proxy"),
        ("http://", "names no host"),
        ("http://:8080", "names no host"),
        ("http://user:hunter/2@p:1", "escaped"),
        ("http://user:12#hunter@p:1", "escaped"),
        ("socks4://user:hunter2@p:1", "no such kind of proxy"),
        ("user:hunter2@p q", "blanks"),
    ],
)
def test_a_proxy_that_cannot_be_meant_is_told_by_its_variable(given: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SOME_PROXY=") as caught:
        checked_proxy("SOME_PROXY", given)
    assert why in str(caught.value)
    assert "hunter" not in str(caught.value)
    assert caught.value.variable == "SOME_PROXY"
    assert isinstance(caught.value, ValueError)


def test_a_socks_proxy_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: dict[str, object] = {}
    monkeypatch.setattr(_proxies, "find_spec", nothing.get)
    with pytest.raises(ConfigurationError, match=r"ALL_PROXY='socks5://p:1'.*runpod-sdk\[socks\]"):
        found({"ALL_PROXY": "socks5://p:1"})


def test_no_repr_shows_a_password() -> None:
    assert "hunter2" not in repr(checked_proxy("ALL_PROXY", "http://u:hunter2@p:1"))


@pytest.mark.parametrize("is_bypassed", [True, False])
def test_the_settings_of_a_system_count_where_the_environment_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
    is_bypassed: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://p:1"})
    monkeypatch.setattr("urllib.request.proxy_bypass", {"api.runpod.ai": is_bypassed}.get)
    assert found({}) == ("" if is_bypassed else "the system's proxy http://p:1")
    assert not found({"NO_PROXY": "elsewhere.example"})
