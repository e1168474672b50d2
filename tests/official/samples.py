"""The curl samples of the documentation, letter by letter, with all their peculiarities.

Source: docs.runpod.io/serverless/endpoints/operation-reference. Only what a reader replaces is replaced: the service
(by ours), $ENDPOINT_ID and $RUNPOD_API_KEY (by the environment) and YOUR_JOB_ID.
"""

from __future__ import annotations

DOCUMENTED_URL = "https://api.runpod.ai/v2"

CURL = {
    "runsync": """\
curl --request POST \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/runsync \\
     -H "accept: application/json" \\
     -H "authorization: $RUNPOD_API_KEY" \\
     -H "content-type: application/json" \\
     -d '{ "input": {  "prompt": "Hello, world!" }}'
""",
    "run": """\
curl --request POST \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/run \\
     -H "accept: application/json" \\
     -H "authorization: $RUNPOD_API_KEY" \\
     -H "content-type: application/json" \\
    -d '{"input": {"prompt": "Hello, world!"}}'
""",
    "status": """\
curl --request GET \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/status/YOUR_JOB_ID \\
     -H "authorization: $RUNPOD_API_KEY" \\
""",
    "stream": """\
curl --request GET \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/stream/YOUR_JOB_ID \\
     -H "accept: application/json" \\
     -H "authorization: $RUNPOD_API_KEY" \\
""",
    "cancel": """\
curl --request POST \\
  --url https://api.runpod.ai/v2/$ENDPOINT_ID/cancel/YOUR_JOB_ID \\
  -H "authorization: $RUNPOD_API_KEY" \\
""",
    "retry": """\
curl --request POST \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/retry/YOUR_JOB_ID \\
     -H "authorization: $RUNPOD_API_KEY"
""",
    "purge-queue": """\
curl --request POST \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/purge-queue \\
     -H "authorization: $RUNPOD_API_KEY"
""",
    "health": """\
curl --request GET \\
     --url https://api.runpod.ai/v2/$ENDPOINT_ID/health \\
     -H "authorization: $RUNPOD_API_KEY"
""",
}

# What curl is told beside the sample, by its own file: no progress bar, and the HTTP status on a line of its own.
CURLRC = 'silent\nwrite-out = "\\n%{http_code}\\n"\n'
