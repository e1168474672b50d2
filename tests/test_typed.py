"""Reading outputs as types: what fits, what does not, where, and what is said of it."""

from __future__ import annotations

import dataclasses
import enum
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Literal, NewType, NotRequired, Required, TypedDict, TypeVar

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import JobState, JobStatus, OutputTypeError
from runpod_sdk._client._typed._reader import reader_of

T = TypeVar("T")


@attrs.frozen
class Image:
    url: str
    size: int = 0


@dataclasses.dataclass
class Page:
    images: list[Image]
    seed: int | None = None


@attrs.frozen
class Checked:
    n: int = attrs.field(validator=attrs.validators.gt(3))


@attrs.frozen
class Empty:
    n: int = 1


@attrs.frozen
class Binary:
    data: bytes


@attrs.frozen
class Tree:
    kids: list[Tree]


class Branch(TypedDict):
    name: str
    kids: NotRequired[list[Branch]]


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


class Words(TypedDict):
    a: int
    b: NotRequired[str]


class Loose(TypedDict, total=False):
    a: Required[int]
    b: str


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 1


class Model(pydantic.BaseModel):
    name: str
    tags: list[int] = []


class Exact(pydantic.BaseModel, strict=True):
    at: datetime
    pair: tuple[int, int]


class Picky(pydantic.BaseModel):
    name: str

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        raise ValueError(f"not {value}")


UserId = NewType("UserId", int)


def state_of(output: Any) -> JobState:
    return JobState(id="j1", endpoint_id="abc", status=JobStatus.COMPLETED, output=output)


def read(kind: Any, output: Any) -> Any:
    reader = reader_of(kind)
    assert reader is not None
    return reader(state_of(output))


def misread(kind: Any, output: Any) -> OutputTypeError:
    with pytest.raises(OutputTypeError) as caught:
        read(kind, output)
    return caught.value


FITS: list[tuple[Any, Any, Any]] = [
    (Page, {"images": [{"url": "u"}], "more": 1}, Page([Image("u")])),
    (Page, {"images": [], "seed": 0}, Page([], 0)),
    (Empty, {}, Empty()),
    (Tree, {"kids": [{"kids": []}]}, Tree([Tree([])])),
    (Branch, {"name": "a", "kids": [{"name": "b"}]}, {"name": "a", "kids": [{"name": "b"}]}),
    (Box[int], {"content": 1}, Box(1)),
    (Words, {"a": 1}, {"a": 1}),
    (Words, {"a": 1, "b": "x", "c": None}, {"a": 1, "b": "x", "c": None}),
    (Loose, {"a": 1}, {"a": 1}),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (list, [1, "a"], [1, "a"]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[()], [], ()),
    (set[int], [1, 1], {1}),
    (Sequence[str], ["a"], ["a"]),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (dict, {"a": []}, {"a": []}),
    (Mapping[str, Any], {"a": []}, {"a": []}),
    (str, "", ""),
    (int, 0, 0),
    (float, 0, 0.0),
    (bool, False, False),
    (None, None, None),
    (str | None, None, None),
    (int | str, 1, 1),
    (float | int, 1, 1),
    (Image | None, {"url": "u"}, Image("u")),
    (Image | Checked, {"n": 5}, Checked(5)),
    (Image | str, {"url": "u"}, Image("u")),
    (list[int] | dict[str, int], {"a": 1}, {"a": 1}),
    (Literal["a", 1], 1, 1),
    (Colour, "red", Colour.RED),
    (Level, 1, Level.HIGH),
    (UserId, 1, 1),
    (Annotated[int, "a note"], 1, 1),
    (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (date, "2026-01-02", date(2026, 1, 2)),
    (Model, {"name": "n"}, Model(name="n")),
    (list[Model], [{"name": "n", "tags": [1]}], [Model(name="n", tags=[1])]),
    (Model | None, None, None),
    (Annotated[int, pydantic.Field(gt=3)], 5, 5),
    (
        Exact,
        {"at": "2026-01-02T03:04:05Z", "pair": [1, 2]},
        Exact(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), pair=(1, 2)),
    ),
]


@pytest.mark.parametrize(("kind", "output", "expected"), FITS, ids=lambda value: str(value)[:40])
def test_what_fits_is_made_into_the_type(kind: Any, output: Any, expected: Any) -> None:
    made = read(kind, output)
    assert made == expected
    assert type(made) is type(expected)


MISFITS: list[tuple[Any, Any, str, str]] = [
    (Page, {"images": [{"url": "u"}, {"url": 1}]}, "output.images[1].url", "expected str, found int"),
    (Page, {"images": [{}]}, "output.images[0].url", "it is missing"),
    (Page, {"images": "abc"}, "output.images", "expected list["),
    (Page, [], "output", "expected Page, found list"),
    (Empty, "x", "output", "expected Empty, found str"),
    (Empty, [], "output", "expected Empty, found list"),
    (Branch, {"name": "a", "kids": [{"name": "b", "kids": [{}]}]}, "output.kids[0].kids[0].name", "it is missing"),
    (Tree, {"kids": [{"kids": [3]}]}, "output.kids[0].kids[0]", "expected Tree, found int"),
    (Checked, {"n": 1}, "output", "it does not fit Checked (ValueError)"),
    (Words, {"b": "x"}, "output.a", "it is missing"),
    (Words, {"a": 1, "b": 2}, "output.b", "expected str, found int"),
    (Loose, {}, "output.a", "it is missing"),
    (Loose, [], "output", "expected Loose, found list"),
    (list[str], "abc", "output", "expected list[str], found str"),
    (list[str], {"a": 1}, "output", "expected list[str], found dict"),
    (tuple[int, str], [1], "output", "expected 2 items, found 1"),
    (set[int], [1, "2"], "output[1]", "expected int, found str"),
    (dict[str, int], {"a b": "x"}, "output['a b']", "expected int, found str"),
    (dict[str, int], [], "output", "expected dict[str, int], found list"),
    (str, 5, "output", "expected str, found int"),
    (str, None, "output", "expected str, found None"),
    (int, True, "output", "expected int, found bool"),
    (int, "5", "output", "expected int, found str"),
    (int, 3.0, "output", "expected int, found float"),
    (float, 10**400, "output", "it does not fit float (OverflowError)"),
    (bool, 0, "output", "expected bool, found int"),
    (None, 0, "output", "expected None, found int"),
    (str | None, 0, "output", "expected str | None, found int"),
    (Image | None, {"url": 2}, "output.url", "expected str, found int"),
    (Image | Checked, {}, "output", "it does not fit"),
    (list[int] | dict[str, int], ["x"], "output", "expected list[int] | dict[str, int], found list"),
    (Literal["a", 1], "b", "output", "it does not fit Literal['a', 1]"),
    (Colour, "blue", "output", "it does not fit Colour (ValueError)"),
    (datetime, "soon", "output", "it does not fit datetime (ValueError)"),
    (datetime, 3, "output", "expected datetime, found int"),
    (Model, {"tags": []}, "output.name", "Field required"),
    (Model, {"name": "n", "tags": [1, "b"]}, "output.tags[1]", "Input should be a valid integer"),
    (list[Model], [{"name": "n"}, {}], "output[1].name", "Field required"),
    (Model | int, {"tags": []}, "output.name", "Field required"),
    (Picky, {"name": "secret"}, "output.name", "a validator raised ValueError"),
]


@pytest.mark.parametrize(("kind", "output", "path", "why"), MISFITS, ids=lambda value: str(value)[:40])
def test_what_does_not_fit_is_an_error_that_says_where_and_why(kind: Any, output: Any, path: str, why: str) -> None:
    error = misread(kind, output)
    assert (error.path, error.raw) == (path, output)
    assert error.state is not None
    assert error.state.output is output
    assert str(error).startswith('the output of job j1 on endpoint "abc" is not of type ')
    assert f": {path}: {why}" in str(error)


def test_other_places_are_counted() -> None:
    error = misread(Page, {"images": [{"url": 1}, {"url": "u", "size": "x"}, {}], "seed": "s"})
    assert str(error).endswith("output.images[0].url: expected str, found int (and 3 more)")


@pytest.mark.parametrize("kind", [Page, list[int], Literal["a"], Colour, Model, Picky, dict[str, Model], datetime])
def test_no_message_shows_the_output(kind: Any) -> None:
    for output in (
        "hunter2",
        ["hunter2"],
        {"name": "hunter2", "images": ["hunter2"], "tags": "hunter2", "x": "hunter2"},
    ):
        error = misread(kind, output)
        assert "hunter2" not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None


def test_any_is_not_read_at_all() -> None:
    assert reader_of(Any) is None


@pytest.mark.parametrize(
    "kind",
    [
        bytes,
        complex,
        object,
        lambda: 1,
        "Page",
        5,
        list[complex],
        dict[str, bytes],
        Binary,
        Image | Empty | Words | complex,
    ],
)
def test_a_type_that_json_cannot_be_read_as_is_a_type_error_at_once(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"output_type=.*: JSON cannot be read as this type: "):
        reader_of(kind)


def test_classes_that_no_key_tells_apart_are_a_type_error_at_once() -> None:
    with pytest.raises(TypeError, match="output_type="):
        reader_of(Empty | Checked)


def test_a_type_that_pydantic_cannot_read_is_a_type_error_at_once() -> None:
    with pytest.raises(TypeError, match=r"^output_type=.*Unable to generate pydantic-core schema for [^\n]*$"):
        reader_of(Model | Image)


def test_without_cattrs_the_error_names_the_extra_and_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cattrs", None)
    with pytest.raises(ImportError, match=r"pip install 'runpod-sdk\[typed\]'"):
        reader_of(list[int])
    assert read(Model, {"name": "n"}) == Model(name="n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "n", "url", "images", "kids", "name"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KINDS = [kind for kind, *_ in FITS]


@given(kind=st.sampled_from(KINDS), output=JSON)
def test_an_output_is_of_the_type_or_an_error_of_ours(kind: Any, output: Any) -> None:
    before = json.dumps(output)
    try:
        read(kind, output)
    except OutputTypeError as error:
        assert error.path.startswith("output")  # noqa: PT017  or there is no error
    assert json.dumps(output) == before


def test_an_output_nested_deeper_than_python_can_go_is_an_error_of_ours() -> None:
    output: Any = {"kids": []}
    for _ in range(5000):
        output = {"kids": [output]}
    assert "RecursionError" in str(misread(Tree, output))
