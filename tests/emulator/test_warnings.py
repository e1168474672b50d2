"""Where the emulator's warnings go: to standard error, unless somebody has said where log records go."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Generator

LOGGER = logging.getLogger("runpod_sdk.emulator")


@contextmanager
def a_script() -> Generator[None]:
    """Take away the handlers of the root logger, which are those of pytest."""
    root = logging.getLogger()
    kept, root.handlers = root.handlers, []
    try:
        with Emulator():
            yield
    finally:
        root.handlers = kept


def test_a_warning_reaches_standard_error_in_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    with a_script(), Emulator():  # the second one says nothing twice
        LOGGER.warning("not %s", "JSON")
        LOGGER.getChild("mock").error("broken")
        LOGGER.info("nobody wants it")
    assert capsys.readouterr().err == "not JSON\nbroken\n"


def test_the_sdk_itself_stays_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with a_script():
        logging.getLogger("runpod_sdk").error("not to be heard")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["", "runpod_sdk.emulator"])
def test_who_takes_the_records_has_them_alone(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    handler, logger = logging.NullHandler(), logging.getLogger(name)
    with a_script():
        logger.addHandler(handler)
        try:
            LOGGER.warning("taken")
        finally:
            logger.removeHandler(handler)
    assert capsys.readouterr().err == ""
