"""The demo's endpoints and their handlers, in the style of the service's documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._recorder import FLAVOURS, endpoint_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod_sdk.clock import Clock
    from runpod_sdk.emulator import Emulator

# Seconds between two characters; the documentation's handler takes 1.
CHARACTER_PAUSE = 0.07

FAILURE = "CUDA out of memory"
RETRIED_OUTPUT = "rendered at the second try"


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Answer a prompt, in the shape that the documentation shows. Source: docs, operation-reference#status."""
    prompt = job["input"]["prompt"]
    text = f"{prompt} How can I assist you today?"
    return {"input_tokens": len(prompt.split()), "output_tokens": len(text.split()), "text": [text]}


def spelling(clock: Clock) -> Callable[[dict[str, Any]], Iterator[str]]:
    """Return the generator handler of the documentation. Source: docs, sdks/go/endpoints#stream."""

    def handler(job: dict[str, Any]) -> Iterator[str]:
        for character in job["input"]["prompt"]:
            clock.sleep(CHARACTER_PAUSE)
            yield character

    return handler


def failing_once() -> Callable[[dict[str, Any]], str]:
    """Return a handler that fails the first time it gets a job."""
    tried = set[str]()

    def handler(job: dict[str, Any]) -> str:
        if job["id"] not in tried:
            tried.add(job["id"])
            raise RuntimeError(FAILURE)
        return RETRIED_OUTPUT

    return handler


def declare_endpoints(emulator: Emulator, clock: Clock) -> None:
    """Declare an endpoint for each scenario in each flavour. Without a handler it is the official mock worker."""
    for flavour in FLAVOURS:
        emulator.endpoint(endpoint_id_of(flavour, "run and poll"))
        emulator.endpoint(endpoint_id_of(flavour, "run_sync"), generate)
        emulator.endpoint(endpoint_id_of(flavour, "stream"), spelling(clock), return_aggregate_stream=True)
        emulator.endpoint(endpoint_id_of(flavour, "cancel"))
        emulator.endpoint(endpoint_id_of(flavour, "fail and retry"), failing_once())
        emulator.endpoint(endpoint_id_of(flavour, "purge"))
        emulator.endpoint(endpoint_id_of(flavour, "health"), workers=3)
