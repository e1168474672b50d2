"""Serves an emulator and drives its console: `python run.py FOLDER BROWSER`.

In FOLDER are playwright-core and axe-core, as npm installs them; pictures go there, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from runpod_sdk.emulator import Emulator

LIMIT = 600  # seconds, on a machine that has much else to do


def main(folder: str, browser: str) -> int:
    """Return the driver's exit code."""
    # Beside what it imports.
    driver = shutil.copy(Path(__file__).with_name("drive.mjs"), folder)
    axe = str(Path(folder) / "node_modules" / "axe-core" / "axe.min.js")
    with Emulator() as emulator:
        emulator.endpoint("local")
        url = emulator.serve().url.removesuffix("v2")
        words = ["node", driver, url, browser, axe, folder]
        return subprocess.run(words, check=False, timeout=LIMIT).returncode  # noqa: S603  ours


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
