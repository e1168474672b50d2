"""Answers about batches: what can be read of them, and what is refused in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import APIResponseValidationError
from runpod_sdk._flows import _batch_api
from tests.flows import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._values._outcomes import Answer
    from runpod_sdk._values._requests import Request

ONE = {"id": "b1", "status": "RUNNING"}
GET, LISTED, PAGE = _batch_api.get("abc", "b1"), _batch_api.listed("abc"), _batch_api.page("abc", "b1", 0)


def nothing(name: str, value: object) -> None:
    raise AssertionError(f"{name} was told: {value!r}")


@pytest.mark.parametrize(
    ("read", "request_", "body", "why"),
    [
        (_batch_api.state_of, GET, {**ONE, "id": "b2"}, "it is about another batch"),
        (_batch_api.state_of, GET, {"id": "b1"}, "it has no id and status of a batch"),
        (_batch_api.states_of, LISTED, {"a": [], "b": []}, "it has no list of batches"),
        (_batch_api.states_of, LISTED, 7, "it has no list of batches"),
        (_batch_api.page_of, PAGE, {"requests": {}}, "it has no list of requests"),
        (_batch_api.page_of, PAGE, {"requests": [7]}, "a request is not an object"),
        (
            _batch_api.page_of,
            PAGE,
            {"requests": [{"id": "r1"}]},
            "a request has no id and status",
        ),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(
    read: Callable[[Request, Answer, Any], object], request_: Request, body: Any, why: str
) -> None:
    with pytest.raises(APIResponseValidationError, match=re.escape(why)):
        read(request_, answer(200, body), nothing)


def test_a_batch_without_its_own_id_has_the_one_that_was_asked_for() -> None:
    found = _batch_api.state_of(GET, answer(200, {"status": "RUNNING", "createdAt": 10**18}), nothing)
    assert (found.id, found.created_at) == ("b1", None), "and a moment that no calendar has is none"


@pytest.mark.parametrize("body", [[ONE], {"batches": [ONE], "count": 1}])
def test_batches_are_a_list_however_it_is_called(body: Any) -> None:
    assert [each.id for each in _batch_api.states_of(LISTED, answer(200, body), nothing)] == ["b1"]
