"""`runpod.serverless.modules.worker_state`: who this worker is."""

from __future__ import annotations

import os
import time
import uuid

REF_COUNT_ZERO = time.perf_counter()
WORKER_ID = os.environ.get("RUNPOD_POD_ID", str(uuid.uuid4()))
IS_LOCAL_TEST = os.environ.get("RUNPOD_WEBHOOK_GET_JOB") is None
