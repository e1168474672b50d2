"""OpenAI's own client against the emulator, with a worker in the shape of worker-vllm: in process, and on a socket."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator, Fault
from tests.emulator.vllm_worker import MODEL, handler
from tests.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import openai
else:
    openai = Lazy("openai")

TOOL: Any = {"type": "function", "function": {"name": "shout", "parameters": {"type": "object", "properties": {}}}}


def messages(text: str) -> Any:
    return [{"role": "user", "content": text}]


class World:
    """An emulator with the worker, and OpenAI's clients of it."""

    def __init__(
        self, emulator: Emulator, access: dict[str, Any], cancelled: threading.Event, *, in_process: bool
    ) -> None:
        self.emulator = emulator
        self.access = access
        self.in_process = in_process
        self.cancelled = cancelled

    def client(self, **more: Any) -> openai.OpenAI:
        if self.in_process:
            more["http_client"] = httpx.Client(transport=self.emulator.transport)
        arguments: dict[str, Any] = {**self.access, "max_retries": 0, **more}
        return openai.OpenAI(**arguments)

    def status(self) -> list[str]:
        return [job.status for job in self.emulator.jobs.values()]


@pytest.fixture(params=["in process", "socket"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as stack:
        emulator = stack.enter_context(Emulator())
        in_process = request.param == "in process"
        cancelled = threading.Event()

        async def watched(job: Any) -> AsyncIterator[Any]:
            try:
                async for chunk in handler(job):
                    yield chunk
            except asyncio.CancelledError:
                cancelled.set()
                raise

        emulator.endpoint("abc", watched, workers=4, return_aggregate_stream=True)
        connection = emulator.connection if in_process else emulator.serve().connection
        client = stack.enter_context(Client(**connection))
        yield World(emulator, client.endpoint("abc").openai.kwargs, cancelled, in_process=in_process)


@pytest.mark.fidelity(
    "/openai: a path below it is a job with openai_route and openai_input, whose first output is the answer",
    source="official source",
)
def test_a_chat(world: World) -> None:
    answer = world.client().chat.completions.create(model=MODEL, messages=messages("hello"))
    assert answer.choices[0].message.content == "HELLO"
    (job,) = world.emulator.jobs.values()
    assert job.input["openai_route"] == "/v1/chat/completions"
    assert job.input["openai_input"]["messages"] == messages("hello")


@pytest.mark.fidelity("/openai: server-sent lines go out as the worker yields them", source="official source")
def test_a_stream(world: World) -> None:
    with world.client().chat.completions.create(model=MODEL, messages=messages("one two three"), stream=True) as events:
        assert [event.choices[0].delta.content for event in events] == ["ONE", " TWO", " THREE"]
    assert world.status() == ["COMPLETED"]


def test_a_stream_goes_out_while_its_job_runs(world: World) -> None:
    client = world.client()
    with client.chat.completions.create(model=MODEL, messages=messages("one for-ever"), stream=True) as events:
        assert next(iter(events)).choices[0].delta.content == "ONE"
        assert world.status() == ["IN_PROGRESS"]


@pytest.mark.fidelity("/openai: a caller that leaves cancels its job", source="assumed")
def test_a_caller_that_leaves_cancels_its_job(world: World) -> None:
    client = world.client()
    with client.chat.completions.create(model=MODEL, messages=messages("one for-ever"), stream=True) as events:
        next(iter(events))
    client.close()
    assert world.cancelled.wait(timeout=20)  # on a socket the server hears of it a moment later
    assert world.status() == ["CANCELLED"]


def test_models_embeddings_and_tools(world: World) -> None:
    client = world.client()
    assert [model.id for model in client.models.list()] == [MODEL]
    vectors = client.embeddings.create(model=MODEL, input=["a", "b"], encoding_format="float").data
    assert [vector.embedding for vector in vectors] == [[0.5, 0], [0.5, 1]]
    answer = client.chat.completions.create(model=MODEL, messages=messages("hi"), tools=[TOOL])
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("shout", {"text": "hi"})


@pytest.mark.one_in(3)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.fidelity("/openai: refusals and failures have the shape that OpenAI's clients read", source="assumed")
def test_refusals_are_openais_own_errors(world: World, stream: bool) -> None:  # noqa: FBT001  a parameter
    client = world.client()
    with pytest.raises(openai.NotFoundError, match="the model does not exist"):
        client.chat.completions.create(model="other", messages=messages("hello"), stream=stream)
    with pytest.raises(openai.InternalServerError, match="CUDA out of memory"):
        client.chat.completions.create(model=MODEL, messages=messages("crash"), stream=stream)
    with pytest.raises(openai.AuthenticationError, match="invalid api key"):
        world.client(api_key="wrong").chat.completions.create(model=MODEL, messages=messages("hello"), stream=stream)
    elsewhere = world.access["base_url"].replace("abc", "other")
    with pytest.raises(openai.NotFoundError, match="endpoint not found"):
        world.client(base_url=elsewhere).chat.completions.create(model=MODEL, messages=messages("x"), stream=stream)


def test_a_failure_on_the_way_ends_the_stream(world: World) -> None:
    events = world.client().chat.completions.create(model=MODEL, messages=messages("one crash-later"), stream=True)
    with pytest.raises(openai.APIError, match="CUDA out of memory"):
        list(events)
    assert world.status() == ["FAILED"]


@pytest.mark.one_in(2)
def test_faults_strike_it_too(world: World) -> None:
    world.emulator.inject(Fault.status(429, on="openai", times=1))
    with pytest.raises(openai.RateLimitError):
        world.client().models.list()
    world.emulator.inject(Fault.status(503, on="openai", times=1))
    assert [model.id for model in world.client(max_retries=2).models.list()] == [MODEL]


@pytest.mark.slow
def test_fifty_streams_at_once() -> None:
    async def one(client: openai.AsyncOpenAI, number: int) -> str:
        stream = await client.chat.completions.create(
            model=MODEL, messages=messages(f"stream number {number}"), stream=True
        )
        return "".join([event.choices[0].delta.content or "" async for event in stream])

    async def main(access: dict[str, Any]) -> list[str]:
        async with openai.AsyncOpenAI(**access, max_retries=0) as client:
            return await asyncio.gather(*(one(client, number) for number in range(50)))

    with Emulator() as emulator:
        emulator.endpoint("abc", handler, workers=50)
        with Client(**emulator.serve().connection) as client:
            said = asyncio.run(main(client.endpoint("abc").openai.kwargs))
    assert said == [f"STREAM NUMBER {number}" for number in range(50)]


def test_an_async_client_in_process() -> None:
    async def main(emulator: Emulator, access: dict[str, Any]) -> list[str | None]:
        async with httpx.AsyncClient(transport=emulator.transport) as http:
            arguments: dict[str, Any] = {**access, "http_client": http}
            client = openai.AsyncOpenAI(**arguments)
            stream = await client.chat.completions.create(model=MODEL, messages=messages("one two"), stream=True)
            return [event.choices[0].delta.content async for event in stream]

    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", handler)
        assert asyncio.run(main(emulator, client.endpoint("abc").openai.kwargs)) == ["ONE", " TWO"]


def call(emulator: Emulator, body: Any, method: str = "POST") -> httpx.Response:
    with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as http:
        return http.request(method, f"{emulator.connection['base_url']}/abc/openai/v1/x", json=body)


OUTPUTS: list[tuple[Any, Any]] = [
    ({"id": 1}, {"id": 1}),
    ([{"id": 1}, {"id": 2}], {"id": 1}),
    ('{"id": 1}', {"id": 1}),
    (None, None),
]


@pytest.mark.parametrize(("output", "answer"), OUTPUTS)
def test_what_a_handler_returns_is_an_answer_too(output: Any, answer: Any) -> None:
    with Emulator() as emulator:
        emulator.endpoint("abc", lambda _: output)
        assert call(emulator, {}).json() == answer


def test_json_that_is_yielded_becomes_events() -> None:
    def yields(_: Any) -> Iterator[Any]:
        yield {"n": 1}
        yield {"n": 2}

    def returns(_: Any) -> Any:
        return [{"n": 1}, {"n": 2}]

    for worker in (yields, returns):
        with Emulator() as emulator:
            emulator.endpoint("abc", worker)
            answer = call(emulator, {"stream": True})
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.text == 'data: {"n": 1}\n\ndata: {"n": 2}\n\ndata: [DONE]\n\n'


def test_what_is_no_call_is_refused() -> None:
    with Emulator() as emulator:
        emulator.endpoint("abc", lambda _: 1)
        assert call(emulator, [1]).json()["error"]["message"] == "body must be an object"
        answer = call(emulator, {}, "DELETE")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
        assert emulator.jobs == {}


def test_the_key_is_not_shown() -> None:
    with Emulator(api_key="secret") as emulator, Client(**emulator.connection) as client:
        assert "secret" not in repr(client.endpoint("abc").openai)


@pytest.mark.parametrize(("text", "status"), [("one two", "COMPLETED"), ("one for-ever", "CANCELLED")])
def test_a_stream_in_process_is_read_by_tasks_too_and_left(text: str, status: str) -> None:
    async def main() -> str:
        with Emulator() as emulator:
            emulator.endpoint("abc", handler, return_aggregate_stream=True)
            key = {"authorization": f"Bearer {emulator.api_key}"}
            async with httpx.AsyncClient(transport=emulator.transport, headers=key) as client:
                body = {"model": MODEL, "messages": messages(text), "stream": True}
                url = "https://emulator.invalid/v2/abc/openai/v1/chat/completions"
                async with client.stream("POST", url, json=body) as answer:
                    assert answer.status_code == 200
                    async for line in answer.aiter_lines():
                        if line == "data: [DONE]" or ("ONE" in line and status == "CANCELLED"):
                            break
            [job] = emulator.jobs.values()
            return job.status

    assert asyncio.run(main()) == status
