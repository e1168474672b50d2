"""A backend whose route answers with JSON: one job per request, and an HTTP status for each error.

    pip install fastapi uvicorn
    ENDPOINT_ID=abc123 uvicorn --app-dir examples --port 8080 fastapi_json:app
    curl -d '{"prompt": "hello"}' -H 'content-type: application/json' http://127.0.0.1:8080/shout

One AsyncClient serves all requests; `lifespan` closes it. The messages of errors go to the log, not to the browser.
"""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from runpod_sdk import AsyncClient, RunpodError, errors

# The first class that fits counts; every other error is 502.
STATUSES: list[tuple[type[RunpodError], int]] = [
    (errors.PayloadTooLargeError, 413),
    (errors.WaitTimeoutError, 504),  # our own `timeout`; `run_sync` has cancelled the job
    (errors.JobTimedOutError, 504),  # the job's `execution_timeout`
    (errors.RateLimitError, 503),
    (errors.APIConnectionError, 503),  # the service was not reached
    (errors.InternalServerError, 503),
    (errors.SubmissionUnknownError, 500),  # not 503, which many callers repeat: the job may be running
    (errors.APIStatusError, 500),  # key, credit, permissions or endpoint: our configuration
    (errors.ConfigurationError, 500),
]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with AsyncClient() as client:
        app.state.endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        yield


app = FastAPI(lifespan=lifespan)


class Prompt(BaseModel):
    prompt: str = Field(min_length=1, max_length=2000)


@app.post("/shout")
async def shout(prompt: Prompt, request: Request) -> dict[str, object]:
    """Run one job; FastAPI itself answers 422 to a body that does not fit."""
    endpoint = request.app.state.endpoint
    return {"output": await endpoint.run_sync(prompt, timeout=30, execution_timeout=25)}


@app.exception_handler(RunpodError)
async def failed(request: Request, error: RunpodError) -> JSONResponse:
    """Answer with the kind of the error; its message may quote the input."""
    logging.getLogger(__name__).warning("%s: %s", request.url.path, error)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 502)
    retry_after = error.headers.get("retry-after", "5") if isinstance(error, errors.RateLimitError) else "5"
    headers = {"retry-after": retry_after} if status == 503 else None
    return JSONResponse({"error": type(error).__name__}, status, headers=headers)
