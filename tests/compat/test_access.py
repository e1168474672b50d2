"""Whose key is used, and where: what was set, the file of the official package, the environment."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import compat
from runpod_sdk.compat._access import Access

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT = "https://api.runpod.ai/v2"


def configure(home: Path, text: str) -> None:
    (home / ".runpod").mkdir()
    (home / ".runpod" / "config.toml").write_text(text, encoding="utf-8")


def test_without_any_key_it_is_a_runtime_error_that_names_the_ways() -> None:
    assert compat.api_key is None
    with pytest.raises(RuntimeError, match=r"runpod\.api_key.*RUNPOD_API_KEY.*config\.toml"):
        compat.Endpoint("e")
    with pytest.raises(RuntimeError, match="no API key"):
        compat.AsyncioEndpoint("e", None)


def test_the_nearest_key_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "environment")
    assert compat.Endpoint("e").rp_client.api_key == compat.api_key == "environment"
    configure(tmp_path, '[default]\napi_key = "file"\n[other]\napi_key = "no"\n')
    assert compat.Endpoint("e").rp_client.api_key == compat.api_key == "file"
    monkeypatch.setitem(vars(compat), "api_key", "set")
    assert compat.Endpoint("e").rp_client.api_key == "set"
    assert compat.AsyncioEndpoint("e", None).api_key == "set"
    assert compat.Endpoint("e", api_key="own").rp_client.api_key == "own"
    assert compat.AsyncioEndpoint("e", None, api_key="own").api_key == "own"


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_key_that_is_set_to_nothing_is_not_set(nothing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(compat), "api_key", nothing)  # what os.getenv of a variable gives that is not there
    monkeypatch.setenv("RUNPOD_API_KEY", "environment")
    assert compat.Endpoint("e").rp_client.api_key == "environment"


@pytest.mark.parametrize(
    "text",
    ["", "[default", "default = 1", "[default]\n", "[default]\napi_key = 5", '[other]\napi_key = "no"', "\xff\x00"],
)
def test_a_file_without_a_key_counts_as_none(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, text)
    assert compat.api_key is None
    monkeypatch.setenv("RUNPOD_API_KEY", "environment")
    assert compat.api_key == "environment"


def test_the_address_is_what_was_set_or_the_environment_s_or_the_service_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compat.Endpoint("e", "key").native.url == f"{DEFAULT}/e"
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "http://127.0.0.1:8000/v2")
    assert compat.Endpoint("e", "key").native.url == "http://127.0.0.1:8000/v2/e"
    monkeypatch.setitem(vars(compat), "endpoint_url_base", "http://emulator:8000/v2")
    assert compat.Endpoint("e", "key").native.url == "http://emulator:8000/v2/e"
    assert compat.AsyncioEndpoint("e", None, "key").endpoint_url == "http://emulator:8000/v2/e/run"


def test_what_is_set_later_does_not_change_endpoints_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = compat.Endpoint("e", "key")
    monkeypatch.setitem(vars(compat), "endpoint_url_base", "https://example.com/v2")
    assert endpoint.rp_client.endpoint_url_base == DEFAULT


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer theirs"}, {"authorization": "theirs"}])
def test_a_job_takes_the_key_of_its_headers(headers: dict[str, str]) -> None:
    assert Access.of_headers(headers) == Access("theirs", DEFAULT)


def test_headers_without_a_key_mean_the_module_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "environment")
    assert Access.of_headers({"X-Request-ID": "1"}).api_key == "environment"


def test_the_headers_of_an_endpoint_are_the_official_ones() -> None:
    assert compat.AsyncioEndpoint("e", None, "key").headers == {
        "Content-Type": "application/json",
        "Authorization": "Bearer key",
    }


def test_a_key_is_in_no_repr_and_no_pickle() -> None:
    access = Access("hush", DEFAULT)
    assert "hush" not in repr(access)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(access)
