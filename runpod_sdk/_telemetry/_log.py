"""The logger: silent by default, with structured fields on every record."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from runpod_sdk._values._states import shorten
from runpod_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from ._names import Facts

LOG_VARIABLE = "RUNPOD_SDK_LOG"  # a level writes the log to standard error; else it is silent by default
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": None,
    "": None,
}

logger = logging.getLogger("runpod_sdk")
logger.addHandler(logging.NullHandler())


def log_as_told() -> None:
    """Write the log to standard error, if the environment says so; once, however often it is called.

    Raises:
        ConfigurationError: it says something else.
    """
    said = os.environ.get(LOG_VARIABLE, "")
    try:
        level = _LEVELS[said.strip().lower()]
    except KeyError:
        levels = ", ".join(f'"{name}"' for name in _LEVELS if name)
        raise ConfigurationError(
            f"{LOG_VARIABLE}={shorten(said)!r}: one of {levels} expected", variable=LOG_VARIABLE
        ) from None
    if level is not None and all(handler.name != LOG_VARIABLE for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.name = LOG_VARIABLE
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level)


def tell(level: int, facts: Facts, message: str, *values: object) -> None:
    """Write one record; call it where the level is enabled, so that no facts are gathered for nothing."""
    logger.log(level, message, *values, extra=facts, stacklevel=2)


with suppress(ConfigurationError):  # a client raises it: an import cannot well be refused
    log_as_told()
