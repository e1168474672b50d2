"""Receive the service's webhooks with Starlette: check the token, ask the service, record each end once.

    pip install starlette uvicorn
    ENDPOINT_ID=abc123 WEBHOOK_TOKEN=… uvicorn --app-dir examples webhooks_starlette:app
    job = endpoint.run({"prompt": "Hello"}, webhook=f"https://me.example/runpod?token={token}")

Do not log the query string of this path: it contains the token.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runpod_sdk import AsyncClient, JobExpiredError, NotFoundError, RunpodError, webhooks

ended: dict[str, dict[str, object]] = {}  # a database, where there is more than one process


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncClient() as client:
        app.state.endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        yield


async def take(request: Request) -> Response:
    if not webhooks.is_token(request.query_params.get("token"), os.environ["WEBHOOK_TOKEN"]):
        return Response(status_code=403)
    try:
        told = webhooks.parse(await request.body())
    except ValueError as error:
        return Response(str(error), status_code=400)
    try:
        # Anyone could have posted this: ask the service itself.
        state = await request.app.state.endpoint.job(told.id).state()
    except (NotFoundError, JobExpiredError):
        return Response("there is no such job", status_code=400)
    except RunpodError:
        return Response(status_code=503)  # the service comes again
    if state.is_final:
        ended.setdefault(state.id, {"status": state.status, "output": state.output})  # it may be told more than once
    return Response(status_code=200)


async def show(_: Request) -> Response:
    return JSONResponse(ended)


app = Starlette(
    routes=[Route("/runpod", take, methods=["POST"]), Route("/ended", show)],
    lifespan=lifespan,
)
