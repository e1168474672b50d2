"""Whose certificates the environment wants: what cannot be read is told by the variable and the file."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import ConfigurationError
from runpod_sdk._http._certificates import certificates_of

if TYPE_CHECKING:
    from collections.abc import Callable

PEM = Path(__file__).parent / "sdk" / "localhost.pem"
FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def key_alone(path: Path) -> None:
    found = re.search(r"-----BEGIN PRIVATE.*-----END PRIVATE KEY-----\n", PEM.read_text(), re.DOTALL)
    assert found is not None
    path.write_text(found[0])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "No such file"),
    "empty": (lambda path: path.write_text(""), "no certificate"),
    "text": (lambda path: path.write_text("not a certificate"), "no certificate"),
    "bytes": (lambda path: path.write_bytes(bytes(range(256))), "no certificate"),
    "cut": (lambda path: path.write_text(PEM.read_text()[:300]), "no certificate"),
    "a key": (key_alone, "no certificate"),
    "a pipe": (os.mkfifo, "no plain file"),
}


@pytest.mark.parametrize("variable", FILES)
@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_told_by_its_variable(variable: str, name: str, tmp_path: Path) -> None:
    path, (make, why) = tmp_path / "bad.pem", BAD[name]
    make(path)
    with pytest.raises(ConfigurationError, match=f"^{variable}='{re.escape(str(path))}'.*{why}") as caught:
        certificates_of({variable: str(path)})
    assert caught.value.variable == variable


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE=.* is a folder"):
        certificates_of({"SSL_CERT_FILE": str(tmp_path)})


def test_a_file_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE=.*Not a directory"):
        certificates_of({"SSL_CERT_FILE": str(tmp_path / "file" / "ca.pem")})


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_folder_in_which_nothing_is_found_is_told(variable: str, tmp_path: Path) -> None:
    shutil.copy(PEM, tmp_path / "ca.pem")  # under its own name, where OpenSSL does not look
    with pytest.raises(ConfigurationError, match=f"^{variable}='{re.escape(str(tmp_path))}' holds no"):
        certificates_of({variable: str(tmp_path)})


def test_folders_that_are_not_there_are_passed_over_where_there_is_another(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_DIR=.*No such file"):
        certificates_of({"SSL_CERT_DIR": str(missing)})
    shutil.copy(PEM, tmp_path / "0123abcd.0")
    assert certificates_of({"SSL_CERT_DIR": f"{missing}{os.pathsep}{tmp_path}"}) is not None


def test_the_variables_of_openssl_come_first(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert certificates_of({"SSL_CERT_FILE": str(PEM), "REQUESTS_CA_BUNDLE": missing}) is not None
    assert certificates_of({"REQUESTS_CA_BUNDLE": str(PEM), "CURL_CA_BUNDLE": missing}) is not None
    with pytest.raises(ConfigurationError, match="SSL_CERT_DIR"):
        certificates_of({"SSL_CERT_FILE": str(PEM), "SSL_CERT_DIR": missing})


def test_only_what_is_named_is_trusted() -> None:
    context = certificates_of({"CURL_CA_BUNDLE": f" {PEM}\n"})
    assert context is not None
    assert context.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_says_nothing(value: str) -> None:
    assert certificates_of(dict.fromkeys([*FILES, "SSL_CERT_DIR"], value)) is None


def test_a_key_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SSLKEYLOGFILE=.*No such file"):
        certificates_of({"SSLKEYLOGFILE": str(tmp_path / "missing" / "keys")})
