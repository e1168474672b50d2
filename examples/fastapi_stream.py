"""A backend that streams a job to a browser, and cancels it when the browser goes away.

    pip install fastapi uvicorn
    ENDPOINT_ID=abc123 uvicorn --app-dir examples --port 8080 fastapi_stream:app
    curl -N "http://127.0.0.1:8080/say?prompt=hello+world"

The key stays here; the browser never sees it. One AsyncClient serves all requests.
"""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from runpod_sdk import AsyncClient, RunpodError
from runpod_sdk.errors import JobFailedError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with AsyncClient() as client:
        app.state.endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/say")
async def say(prompt: str, request: Request) -> StreamingResponse:
    """Send each chunk as a server-sent event, and the end as an event of its own."""

    async def events() -> AsyncIterator[str]:
        # When the browser leaves, the server ends this generator; leaving `async with` cancels the job.
        try:
            async with request.app.state.endpoint.stream({"prompt": prompt, "pause": 0.05}, timeout=120) as stream:
                async for chunk in stream:
                    yield f"data: {json.dumps(chunk)}\n\n"
            yield "event: end\ndata: {}\n\n"
        except JobFailedError as error:
            yield f"event: failed\ndata: {json.dumps(error.error_message)}\n\n"
        except RunpodError as error:
            yield f"event: failed\ndata: {json.dumps(type(error).__name__)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    """Show what comes, as it comes."""
    return """<!doctype html><title>stream</title><p id="said"></p><script>
    const events = new EventSource("/say?prompt=" + encodeURIComponent("hello from the browser"));
    events.onmessage = (event) => { said.textContent += JSON.parse(event.data); };
    events.addEventListener("end", () => { events.close(); said.dataset.state = "done"; });
    events.addEventListener("failed", (event) => { events.close(); said.textContent += event.data; });
    </script>"""
