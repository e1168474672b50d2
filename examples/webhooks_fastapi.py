"""Receive the service's webhooks with FastAPI: check the token, ask the service, record each end once.

    pip install fastapi uvicorn
    ENDPOINT_ID=abc123 WEBHOOK_TOKEN=… uvicorn --app-dir examples webhooks_fastapi:app
    job = endpoint.run({"prompt": "Hello"}, webhook=f"https://me.example/runpod?token={token}")

Do not log the query string of this path: it contains the token.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request

from runpod_sdk import AsyncClient, JobExpiredError, NotFoundError, RunpodError, webhooks

ended: dict[str, dict[str, object]] = {}  # a database, where there is more than one process


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient() as client:
        app.state.endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/runpod")
async def take(request: Request, token: str = "") -> None:
    if not webhooks.is_token(token, os.environ["WEBHOOK_TOKEN"]):
        raise HTTPException(403)
    try:
        # The raw body: a model of FastAPI's own would refuse what the service may add tomorrow.
        told = webhooks.parse(await request.body())
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    try:
        # Anyone could have posted this: ask the service itself.
        state = await request.app.state.endpoint.job(told.id).state()
    except (NotFoundError, JobExpiredError):
        raise HTTPException(400, "there is no such job") from None
    except RunpodError:
        raise HTTPException(503) from None  # the service comes again
    if state.is_final:
        ended.setdefault(state.id, {"status": state.status, "output": state.output})  # it may be told more than once


@app.get("/ended")
async def show() -> dict[str, dict[str, object]]:
    return ended
