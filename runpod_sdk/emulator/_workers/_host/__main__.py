"""The entry point of a worker process: `python …/host/__main__.py FD KIND TARGET [ARGUMENT …]`.

KIND says what TARGET is: a `file` or a `module`, run as a program; or a `function`, FILE:NAME or MODULE:NAME. FD is the
socket to the emulator. The working directory is set already.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from os.path import dirname, join

# What this folder is called in a worker process: it is no part of a package there.
_NAME = "_runpod_worker_host"


def _begin() -> int:
    folder = dirname(__file__)
    spec = spec_from_file_location(_NAME, join(folder, "__init__.py"), submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder}: the worker host is not there")
    host = sys.modules[_NAME] = module_from_spec(spec)
    spec.loader.exec_module(host)
    code: int = import_module(f"{_NAME}._program").main(sys.argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(_begin())
