"""A worker in the shape of worker-vllm, without a model: it speaks OpenAI's language through `openai_route`.

Source: runpod-workers/worker-vllm, src/handler.py and engine.py: a generator whose chunks are server-sent lines where
the caller streams, else one object; refused calls are an ErrorResponse.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL = "mock/parrot"


async def handler(job: dict[str, Any]) -> AsyncIterator[Any]:
    """Answer one call, of OpenAI's clients or by vLLM's own input."""
    if "prompt" in job["input"]:
        yield _completed(job["input"]["prompt"])
        return
    route, sent = job["input"]["openai_route"], job["input"]["openai_input"]
    if route == "/v1/models":
        yield {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "mock"}]}
    elif sent.get("model") != MODEL:
        yield {"object": "error", "message": "the model does not exist", "type": "NotFoundError", "code": 404}
    elif route == "/v1/embeddings":
        vectors = [{"object": "embedding", "index": i, "embedding": [0.5, i]} for i, _ in enumerate(sent["input"])]
        yield {"object": "list", "model": MODEL, "data": vectors, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    elif route == "/v1/chat/completions":
        async for chunk in _chat(sent):
            yield chunk
    else:
        raise ValueError(f"no such route: {route}")


async def _chat(sent: dict[str, Any]) -> AsyncIterator[Any]:
    said = sent["messages"][-1]["content"]
    head = {"id": "chatcmpl-1", "created": 1, "model": MODEL}
    if said == "crash":
        raise RuntimeError("CUDA out of memory")
    if sent.get("tools"):
        name = sent["tools"][0]["function"]["name"]
        call = {"id": "call-1", "type": "function", "function": {"name": name, "arguments": json.dumps({"text": said})}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        yield {**head, "object": "chat.completion", "choices": [_choice(message, "tool_calls")]}
        return
    if not sent.get("stream"):
        message = {"role": "assistant", "content": said.upper()}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        yield {**head, "object": "chat.completion", "choices": [_choice(message, "stop")], "usage": usage}
        return
    for number, word in enumerate(said.split()):
        if word == "crash-later":
            raise RuntimeError("CUDA out of memory")
        if word == "for-ever":
            await asyncio.Event().wait()
        text = word.upper() if number == 0 else f" {word.upper()}"
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        yield f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"
        await asyncio.sleep(0)
    if sent.get("stream_options", {}).get("include_usage"):
        usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
        yield f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def _completed(prompt: str) -> dict[str, Any]:
    if prompt.endswith("crash"):
        raise RuntimeError("CUDA out of memory")
    return {"choices": [{"tokens": [prompt.upper()]}], "usage": {"input": 1, "output": 1}}


def _choice(message: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"index": 0, "message": message, "finish_reason": reason}
