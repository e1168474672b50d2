"""Makes every call in a greenlet that gives up after a while: `greenlets.py gevent|eventlet KIND URL`.

KIND is what the timeout raises: its own exception, or one of the caller's.
"""

from __future__ import annotations

import sys

HOST, KIND, URL = sys.argv[1:]
if HOST == "gevent":
    from gevent.monkey import patch_all as patch

    patch()
    from gevent import Timeout
else:
    from eventlet import Timeout, monkey_patch

    monkey_patch()

import json  # noqa: E402  what follows is patched
from typing import Any  # noqa: E402

from tests.frameworks.calls import CALLS  # noqa: E402
from tests.frameworks.programs.told import told, warm_up  # noqa: E402


class GiveUpError(Exception):
    """An exception of the caller's."""


KINDS: dict[str, tuple[Any, ...]] = {"Timeout": (), "GiveUpError": (GiveUpError,), "TimeoutError": (TimeoutError,)}

if __name__ == "__main__":
    warm_up(URL)
    for name in CALLS:
        with Timeout(1.0, *KINDS[KIND]):
            found = told(name, URL, name.replace(" ", "-"))
        sys.stdout.write(json.dumps(found) + "\n")
