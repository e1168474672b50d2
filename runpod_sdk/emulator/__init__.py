"""An emulator of Runpod's serverless queue service, for tests and for work without an account.

>>> import httpx
>>> from runpod_sdk.emulator import Emulator
>>> with Emulator() as emulator:
...     _ = emulator.endpoint("double", lambda job: 2 * job["input"]["n"])
...     with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
...         client.post("https://emulator.invalid/v2/double/runsync", json={"input": {"n": 21}}).json()["output"]
42
"""

from runpod_sdk.emulator._doors._gateway import RequestRecord
from runpod_sdk.emulator._emulator import Emulator
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._planning._plan import BulkPlan, PlannedRun, plan
from runpod_sdk.emulator._queue._job import JobRecord
from runpod_sdk.emulator._record._faults import Fault, faults_from_json
from runpod_sdk.emulator._record._injection import InjectedFault
from runpod_sdk.emulator._record._ledger import Ledger, input_sha256
from runpod_sdk.emulator._record._verdict import Ambiguous, Verdict
from runpod_sdk.emulator._scaling import Scaling
from runpod_sdk.emulator._server import Server
from runpod_sdk.emulator._state_file import EmulatorFileError
from runpod_sdk.emulator._workers._endpoint import EmulatedEndpoint
from runpod_sdk.emulator._workers._programs import HandlerFileError
from runpod_sdk.emulator._workers._run import progress_update

__all__ = [
    "Ambiguous",
    "BulkPlan",
    "EmulatedEndpoint",
    "Emulator",
    "EmulatorFileError",
    "Fault",
    "HandlerFileError",
    "InjectedFault",
    "JobRecord",
    "Ledger",
    "Options",
    "PlannedRun",
    "RequestRecord",
    "Scaling",
    "Server",
    "Verdict",
    "faults_from_json",
    "input_sha256",
    "plan",
    "progress_update",
]
