"""The service's documented numbers: sizes, ranges, defaults, retention.

Seconds unless the name says otherwise; each with its source. What the emulator lets you choose is in `_options.py`.
"""

from __future__ import annotations

MIB = 1024 * 1024
RUN_BODY_MIB = 10  # reported x6: "exceeded max body size of 10MiB"
RUNSYNC_BODY_MIB = 20  # docs: operation-reference#runsync

WAIT_MIN_MS, WAIT_MAX_MS = 1_000, 300_000  # live: "must be between 1000 and 300000"
RUNSYNC_HOLD = 90.0  # docs: operation-reference#runsync

EXECUTION_TIMEOUT_MIN_MS, EXECUTION_TIMEOUT_MAX_MS = 5_000, 604_800_000  # docs: send-requests#execution-policies
TTL_MIN_MS, TTL_MAX_MS = 10_000, 604_800_000  # the same
STATUS_TTL_MIN_MS = 1  # docs: operation-reference#status shows ?ttl=6000, below the minimum of policy.ttl

RUN_RETENTION = 1_800.0  # docs: operation-reference#run, 30 minutes
RUNSYNC_RETENTION = 60.0  # docs: operation-reference#runsync, 1 minute
RUNSYNC_RETENTION_MAX = 300.0  # docs: operation-reference#retry, up to 5 minutes with ?wait

CHUNK_BYTES = 1_000_000  # docs: operation-reference#stream, 1 MB; assumed: decimal, and of its JSON text

WEBHOOK_TRIES = 3  # docs: send-requests#webhooks, 2 more tries
WEBHOOK_PAUSE = 10.0  # the same

QUEUE_LIMIT, QUEUE_LIMIT_PER_WORKER = 50, 500  # docs until 2025-10; today's do not say it
BATCHES_MAX, BATCH_REQUESTS_MAX, QUEUED_MAX = 10, 5_000, 50_000  # docs: batch-jobs, of an endpoint, a batch, a queue
BATCH_BODY_MIB = 10  # docs: batch-jobs, of added requests; assumed: of a new batch, too
BATCH_PAGE = 50  # docs: batch-jobs
RATES_WINDOW = 10.0  # docs: send-requests, rate limits: so many in 10 seconds

MAX_REQUEUES = 1  # live: "job timed out after 1 retries"
HANG_UP_GRACE = 5.0  # assumed: how long a worker that hung up has to come back before its jobs are given to others
DRAINING_HOLD = 0.1  # assumed: how long a worker is held that is told to end: it shall not wait, and not spin
# official source: rp_tips.py warns above 20 MB, and sends all the same; reported (worker-comfyui#129, #167): refused
# with 400, and the job is COMPLETED without output.
RESULT_BYTES = 20_000_000
WORKER_BODY_MIB = 512  # ours: what is read of a worker's body at all
