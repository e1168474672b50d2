"""Serves a worker's file as a newcomer does, and drives its console: `python run.py FOLDER BROWSER [PICTURES]`.

In FOLDER are playwright-core and axe-core, as npm installs them. Pictures go there, or to PICTURES.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LIMIT = 600  # seconds, on a machine that has much else to do


def main(folder: str, browser: str, pictures: str = "") -> int:
    """Return the driver's exit code."""
    opened = Path(folder) / "opened"
    os.mkfifo(opened)
    # What `--open` starts in place of a browser: it passes on where it was sent.
    opener = Path(folder) / "opener"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n', encoding="utf-8")
    opener.chmod(0o755)
    endpoints = ["--endpoint", f"words={HERE / 'worker.py'}", "--endpoint", "local"]
    words = ["runpod-sdk", "emulate", *endpoints, "--workers", "2", "--port", "0", "--open", "--json", "--quiet"]
    environment = os.environ | {"BROWSER": f"{opener} %s"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as emulator:  # noqa: S603  ours
        try:
            if emulator.stdout is None:
                raise RuntimeError("emulate has no output")
            ready = json.loads(emulator.stdout.readline())
            url = opened.read_text(encoding="utf-8")
            if url != ready["console"]:
                raise RuntimeError(f"--open went to {url}, and the console is at {ready['console']}")
            return _drive(folder, browser, url, pictures or folder)
        finally:
            emulator.terminate()
            opened.unlink()


def _drive(folder: str, browser: str, url: str, pictures: str) -> int:
    # Beside what they import.
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, folder)
    axe = str(Path(folder) / "node_modules" / "axe-core" / "axe.min.js")
    command = ["node", str(Path(folder) / "drive.mjs"), url, browser, axe, pictures]
    return subprocess.run(command, check=False, timeout=LIMIT).returncode  # noqa: S603  ours


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
