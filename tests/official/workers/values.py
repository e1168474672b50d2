"""A worker whose handler returns, or raises, whatever its input names: each kind of value that user code may make."""

import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import sys
import types
import uuid

import runpod


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")

    def __reduce__(self):
        raise TypeError("not to be pickled")


class Abrupt(BaseException):
    pass


class Shown:
    def __str__(self):
        raise RuntimeError("no text")


class Hidden:
    def __repr__(self):
        raise RuntimeError("no repr")


class HiddenText(str):
    __slots__ = ()

    def __repr__(self):
        raise RuntimeError("no repr")


class Scalar:
    """As numpy's: a number to look at, and none to json."""

    def __float__(self):
        return 1.0

    def __repr__(self):
        return "1.0"


class Array:
    """As numpy's: comparing it gives an array, which is neither true nor false."""

    def __eq__(self, other):
        return self

    def __bool__(self):
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None


class Leaky(dict):
    def items(self):
        raise RuntimeError("no items")


class Awaited:
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return "awaited"


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass
class Record:
    name: str = "x"


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def circle():
    value = []
    value.append(value)
    return value


def fail(error):
    raise error


def chained():
    try:
        fail(KeyError("first"))
    except KeyError as error:
        raise ValueError("second") from error


async def coroutine():
    return {"awaited": True, "error": "said by a coroutine"}


SHARED = {"error": "only once", "left": 1}

VALUES = {
    "none": lambda job: None,
    "text": lambda job: "text",
    "empty text": lambda job: "",
    "zero": lambda job: 0,
    "minus zero": lambda job: -0.0,
    "false": lambda job: False,
    "true": lambda job: True,
    "empty list": lambda job: [],
    "empty dict": lambda job: {},
    "dict": lambda job: {"a": [1, {"b": None}]},
    "error": lambda job: {"error": "bad"},
    "error and more": lambda job: {"error": "bad", "partial": 1},
    "error is empty": lambda job: {"error": "", "a": 1},
    "error is none": lambda job: {"error": None},
    "error is a dict": lambda job: {"error": {"code": 7}},
    "error is a list": lambda job: {"error": ["a", "b"]},
    "error is a number": lambda job: {"error": 500, "a": 1},
    "error is true": lambda job: {"error": True},
    "error is a set": lambda job: {"error": {1}},
    "refresh is false": lambda job: {"refresh_worker": False, "a": 1},
    "refresh": lambda job: {"refresh_worker": True, "a": 1},
    "the service's words": lambda job: {"status": "FAILED", "id": "other", "output": 3, "stopPod": True},
    "an inner error": lambda job: {"output": {"error": "inner"}},
    "a listed error": lambda job: [{"error": "x"}],
    "a shared dict": lambda job: SHARED,
    "a shared dict again": lambda job: SHARED,
    "large int": lambda job: 2**63 + 1,
    "400 digits": lambda job: 10**400,
    "5,000 digits": lambda job: 10**5000,
    "5,000 digits inside": lambda job: {"n": [10**5000]},
    "float": lambda job: 0.1 + 0.2,
    "large float": lambda job: 1e308,
    "nan": lambda job: float("nan"),
    "nan inside": lambda job: {"a": [{"loss": float("nan")}]},
    "infinity": lambda job: [float("-inf")],
    "int keys": lambda job: {1: "a", 2.5: "b", None: "c", False: "d"},
    "tuple keys": lambda job: {(1, 2): "a"},
    "bytes keys": lambda job: {b"a": 1},
    "tuple": lambda job: (1, (2, 3)),
    "set": lambda job: {1},
    "bytes": lambda job: b"x",
    "bytearray": lambda job: bytearray(b"x"),
    "complex": lambda job: 1j,
    "lone surrogate": lambda job: "caf\udce9",
    "lone surrogate inside": lambda job: {"names": ["\ud83d"]},
    "lone surrogate as a key": lambda job: {"\udce9": 1},
    "characters": lambda job: "😀\0\u2028\u200d\x7f" + "".join(map(chr, range(32))),
    "text enum": lambda job: Colour.RED,
    "int enum": lambda job: Number.ONE,
    "enum as a key": lambda job: {Colour.RED: 1},
    "ordered": lambda job: collections.OrderedDict(b=1, a=2),
    "default dict": lambda job: collections.defaultdict(int, a=1),
    "counter": lambda job: collections.Counter("aab"),
    "mapping proxy": lambda job: types.MappingProxyType({"a": 1}),
    "dict with broken items": lambda job: Leaky(a=1),
    "named tuple": lambda job: collections.namedtuple("P", "x y")(1, 2),
    "dataclass": lambda job: Record(),
    "date": lambda job: datetime.datetime(2020, 1, 1),
    "decimal": lambda job: decimal.Decimal("1.5"),
    "fraction": lambda job: fractions.Fraction(1, 3),
    "uuid": lambda job: uuid.UUID(int=1),
    "path": lambda job: pathlib.PurePosixPath("/a"),
    "range": lambda job: range(3),
    "dict keys": lambda job: {"a": 1}.keys(),
    "generator": lambda job: (n for n in range(3)),
    "function": lambda job: len,
    "class": lambda job: Record,
    "an exception, returned": lambda job: ValueError("v"),
    "numpy scalar": lambda job: {"x": Scalar()},
    "numpy array": lambda job: Array(),
    "coroutine": lambda job: coroutine(),
    "awaitable": lambda job: Awaited(),
    "broken str": lambda job: Shown(),
    "broken repr": lambda job: Hidden(),
    "broken repr inside": lambda job: [Hidden()],
    "text with a broken repr": lambda job: HiddenText("text"),
    "circle": lambda job: circle(),
    "depth 500": lambda job: nested(500),
    "depth 3,000": lambda job: nested(3000),
    "the job": lambda job: {key: value for key, value in job.items() if key != "id"},
    "the job's keys": lambda job: sorted(job),
    "the job, changed": lambda job: job["input"].clear() or job["input"],
    "raises": lambda job: fail(ValueError("bad prompt")),
    "raises nothing to say": lambda job: fail(ValueError()),
    "raises a dict": lambda job: fail(ValueError({"code": 1})),
    "raises characters": lambda job: fail(ValueError("é\ud800\0")),
    "raises much": lambda job: fail(ValueError("x" * 100_000)),
    "raises a broken str": lambda job: fail(Broken()),
    "raises the unpicklable": lambda job: fail(Unpicklable("a", "b")),
    "raises a key error": lambda job: {}["missing"],
    "raises a group": lambda job: fail(ExceptionGroup("g", [ValueError("a"), KeyError("b")])),
    "raises a chain": lambda job: chained(),
    "raises a timeout": lambda job: fail(TimeoutError("t")),
    "raises stop iteration": lambda job: next(iter(())),
    "raises a warning": lambda job: fail(UserWarning("w")),
    "raises a memory error": lambda job: fail(MemoryError()),
    "raises a recursion error": lambda job: nested(3000) == nested(3000),
    "raises cancelled": lambda job: fail(asyncio.CancelledError()),
    "raises generator exit": lambda job: fail(GeneratorExit()),
    "raises a base exception": lambda job: fail(Abrupt("a")),
    "raises system exit": lambda job: sys.exit(3),
}


def handler(job):
    return VALUES[job["input"]["what"]](job)


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
