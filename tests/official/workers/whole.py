"""Serves a worker's file from worker processes of ours, in an environment that has the official package.

    python whole.py FILE URL WHAT …

Prints what came of each WHAT as one line of JSON.
"""

import json
import sys

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator

if __name__ == "__main__":
    file, url, *wanted = sys.argv[1:]
    with Emulator(echo=False) as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", file)
        endpoint = client.endpoint("e")
        print(json.dumps([endpoint.run_sync({"what": what, "url": url}, timeout=60) for what in wanted]))
