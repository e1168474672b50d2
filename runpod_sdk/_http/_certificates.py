"""Which CA certificates the environment asks for; read from disk here.

OpenSSL's own variables come first; then those of requests, which the official client is made of.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
import sys
from typing import TYPE_CHECKING

from runpod_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE, _FOLDER, _BUNDLES = "SSL_CERT_FILE", "SSL_CERT_DIR", ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# Where Python writes the keys of each connection, for whoever watches the network. It opens it with each context.
_KEY_LOG = "SSLKEYLOGFILE"
# How OpenSSL finds a certificate in a folder: by a hash of its subject.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def certificates_of(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return what checks certificates as the environment wants it; None where it says nothing.

    Raises:
        ConfigurationError: it names what is not there, or what holds no certificates.
    """
    _check_key_log(environ.get(_KEY_LOG, ""))
    file, folder = environ.get(_FILE, "").strip(), environ.get(_FOLDER, "").strip()
    if folder:
        _check_folders(_FOLDER, folder)
    if file:
        return _context(_FILE, file, folder or None)
    if folder:
        return ssl.create_default_context(capath=folder)
    for variable in _BUNDLES:
        path = environ.get(variable, "").strip()
        if path and os.path.isdir(path):  # noqa: PTH112  a Path would change what it names
            _check_folders(variable, path)
            return ssl.create_default_context(capath=path)
        if path:
            return _context(variable, path, None)
    return None


def _context(variable: str, path: str, folder: str | None) -> ssl.SSLContext:
    """Return what trusts the certificates of a file, and those of folders beside it."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  a Path would change what it names
        if not stat.S_ISREG(mode):  # reading another kind may never end
            why = "is a folder" if stat.S_ISDIR(mode) else "is no plain file"
            raise ConfigurationError(f"{variable}={path!r} {why}", variable=variable)
        context = ssl.create_default_context(cafile=path, capath=folder)
    except ssl.SSLError:
        context = None
    except OSError as error:
        raise _unusable(variable, path, error) from None
    if context is None or not context.cert_store_stats()["x509"]:
        raise ConfigurationError(f"{variable}={path!r} holds no certificate in PEM form", variable=variable)
    return context


def _check_folders(variable: str, paths: str) -> None:
    """Refuse a list of folders in which OpenSSL finds nothing; it passes over those that are not there."""
    problem: OSError | None = None
    for path in filter(None, paths.split(os.pathsep)):
        try:
            if any(map(_HASHED.fullmatch, os.listdir(path))):  # noqa: PTH208  a Path would change what it names
                return
        except OSError as error:
            problem = problem or error
    if problem is not None:
        raise _unusable(variable, paths, problem)
    why = "holds no certificate under the hash of its name, as `openssl rehash` makes them"
    raise ConfigurationError(f"{variable}={paths!r} {why}", variable=variable)


def _check_key_log(path: str) -> None:
    if path and not sys.flags.ignore_environment:
        try:
            with open(path, "ab"):  # noqa: PTH123  a Path would change what it names
                pass
        except OSError as error:
            raise _unusable(_KEY_LOG, path, error) from None


def _unusable(variable: str, path: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{variable}={path!r}: {error.strerror or error}", variable=variable)
