"""A worker whose generator yields, or raises, whatever the input names; arguments: sync or async, aggregate or not."""

import asyncio
import sys

import runpod


class Hidden:
    def __repr__(self):
        raise RuntimeError("no repr")


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Raise:
    def __init__(self, error):
        self.error = error


RETURN = object()
STREAMS = {
    "plain": ["a", "b"],
    "nothing": [],
    "none": [None, 1],
    "falsy": ["", {}, [], 0, False],
    "text is no number": ["1", "1e5", "NaN", "null", "true"],
    "lines": ["a\n", "\r\n", "data: {}\n\n"],
    "characters": ["👩", "\u200d", "💻", "\0"],
    "many": list(range(60)),
    "error": ["a", {"error": "boom"}, "c"],
    "error first": [{"error": "boom"}],
    "error and more": ["a", {"error": "boom", "detail": 5, "refresh_worker": True}],
    "error is empty": ["a", {"error": ""}, "c"],
    "error is a dict": [{"error": {"code": 1}}],
    "error in a list": [[{"error": "x"}], "b"],
    "refresh": ["a", {"refresh_worker": True}],
    "no json": ["a", {1, 2}, "c"],
    "bytes": [b"x", "c"],
    "nan": ["a", float("nan"), "c"],
    "surrogate": ["a", "\ud83d", "c"],
    "5,000 digits": ["a", 10**5000, "c"],
    "5,000 digits inside": ["a", [10**5000], "c"],
    "broken repr": ["a", Hidden(), "c"],
    "broken repr inside": ["a", [Hidden()], "c"],
    "tuple": [(1, 2)],
    "int keys": [{1: 2}],
    "raises first": [Raise(ValueError("bad\nprompt"))],
    "raises": ["a", Raise(ValueError("é\u2028")), "c"],
    "raises a broken str": ["a", Raise(Broken())],
    "raises a group": ["a", Raise(ExceptionGroup("g", [ValueError("a")]))],
    "raises cancelled": ["a", Raise(asyncio.CancelledError())],
    "raises generator exit": ["a", Raise(GeneratorExit())],
    "exits": ["a", Raise(SystemExit(3))],
    "returns": ["a", RETURN, "c"],
    "large": ["x" * 1_500_000],
}


def value_of(item):
    if isinstance(item, Raise):
        raise item.error
    return item


def generator(job):
    for item in STREAMS[job["input"]["what"]]:
        if item is RETURN:
            return "returned"
        yield value_of(item)


async def async_generator(job):
    for item in STREAMS[job["input"]["what"]]:
        if item is RETURN:
            return
        await asyncio.sleep(0)
        yield value_of(item)


if __name__ == "__main__":
    handler = async_generator if "async" in sys.argv else generator
    runpod.serverless.start({"handler": handler, "return_aggregate_stream": "aggregate" in sys.argv})
