"""Run a script that was written for `runpod` from PyPI with `runpod_sdk.compat` in its place: `moved.py SCRIPT`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from runpod_sdk import compat

sys.modules["runpod"] = compat
sys.modules["runpod.endpoint"] = sys.modules["runpod.endpoint.runner"] = compat.endpoint
script = str(Path(__file__).with_name(sys.argv[1]))
sys.argv = [script]
runpy.run_path(script, run_name="__main__")
