"""What users of langchain-runpod and LiteLLM do with a worker of vLLM; prints one JSON object of what came of each."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices

import litellm
from langchain_runpod import ChatRunPod, RunPod

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE, ENDPOINT, MODEL = sys.argv[1:]
LANGCHAIN: dict[str, Any] = {"endpoint_id": ENDPOINT, "api_key": "test", "api_base": SERVICE, "poll_interval": 0.05}
LITELLM: dict[str, Any] = {
    "model": f"openai/{MODEL}",
    "api_base": f"{SERVICE}/{ENDPOINT}/openai/v1",
    "api_key": "test",
    "num_retries": 0,
    "max_retries": 0,
}


def messages(text: str) -> list[dict[str, str]]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": text}]


def langchain_chat() -> Any:
    """Ask once."""
    return ChatRunPod(**LANGCHAIN).invoke("hello there").content


def langchain_chat_async() -> Any:
    """Ask twice at once."""

    async def main() -> Any:
        model = ChatRunPod(**LANGCHAIN)
        return [answer.content for answer in await model.abatch(["one", "two"])]

    return asyncio.run(main())


def langchain_stream() -> Any:
    """Take the answer as it comes: this client simulates it."""
    return "".join(str(chunk.content) for chunk in ChatRunPod(**LANGCHAIN).stream("hello stream"))


def langchain_llm() -> Any:
    """Complete a text."""
    return RunPod(**LANGCHAIN).invoke("complete me")


def langchain_failure() -> Any:
    """Ask what makes the worker raise."""
    try:
        return ChatRunPod(**LANGCHAIN).invoke("crash").content
    except ValueError as error:
        return "CUDA out of memory" in str(error)


def litellm_chat() -> Any:
    """Ask once."""
    return litellm.completion(**LITELLM, messages=messages("hello")).choices[0].message.content


def litellm_stream() -> Any:
    """Take the answer as it comes."""
    events = litellm.completion(**LITELLM, messages=messages("one two three"), stream=True)
    return [text for event in events if (text := event.choices[0].delta.content)]


def litellm_embeddings() -> Any:
    """Ask for vectors."""
    answer = litellm.embedding(**LITELLM, input=["a", "b"], encoding_format="float")
    return [one["embedding"] for one in answer.data]


def litellm_failures() -> Any:
    """Ask what is refused, and what makes the worker raise."""
    names: list[str] = []
    for change in ({"model": "openai/other"}, {"messages": messages("crash")}, {"api_key": "wrong"}):
        try:
            litellm.completion(**{**LITELLM, "messages": messages("hello"), **change})
        except Exception as error:  # noqa: BLE001  whatever it raises is told
            names.append(type(error).__name__)
    return names


if __name__ == "__main__":
    calls: list[Callable[[], Any]] = [
        *(langchain_chat, langchain_chat_async, langchain_stream, langchain_llm, langchain_failure),
        *(litellm_chat, litellm_stream, litellm_embeddings, litellm_failures),
    ]
    print(json.dumps({call.__name__: call() for call in calls}))
