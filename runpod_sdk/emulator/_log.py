"""The emulator's warnings: to standard error, unless logging is configured.

The SDK is silent by default, by a NullHandler; so Python's own last resort is not asked for what the emulator logs.
"""

from __future__ import annotations

import logging

_SDK = "runpod_sdk"


class LastResort(logging.Handler):
    """Writes warnings as Python's last resort does, where no handler but the SDK's silent one would take them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if nobody else takes it."""
        if logging.lastResort is not None and not self._is_taken(record):
            logging.lastResort.handle(record)

    def _is_taken(self, record: logging.LogRecord) -> bool:
        """Whether there is another handler on the way of a record."""
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            own = logging.NullHandler if logger.name == _SDK else LastResort
            if any(not isinstance(handler, own) for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False


def let_warnings_out() -> None:
    """Write the emulator's warnings to standard error where nobody takes them; once, however often it is called."""
    logger = logging.getLogger(f"{_SDK}.emulator")
    if not any(isinstance(handler, LastResort) for handler in logger.handlers):
        logger.addHandler(LastResort())
