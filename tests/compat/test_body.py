"""What callers hand to run: wrapped once, whatever it looks like; what stands beside it arrives."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import S3Config
from runpod_sdk.compat._body import input_parts, parts

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET = {"accessId": "id", "accessSecret": "secret", "bucketName": "b", "endpointUrl": "https://s3.example"}
BOTH = pytest.mark.parametrize("take", [parts, input_parts])


@BOTH
@pytest.mark.parametrize(
    ("request_input", "job_input"),
    [
        ({"input": {"prompt": "Hi"}}, {"prompt": "Hi"}),
        ({"prompt": "Hi"}, {"prompt": "Hi"}),
        ({"input": {}}, {}),
        ({}, {}),
        ({"input": {"input": {"a": 1}}}, {"input": {"a": 1}}),
    ],
)
def test_the_input_is_wrapped_once(take: Callable[[Any], Any], request_input: Any, job_input: Any) -> None:
    assert take(request_input) == (job_input, {})


@BOTH
def test_what_stands_beside_the_input_arrives(take: Callable[[Any], Any]) -> None:
    policy = {"executionTimeout": 60_000, "ttl": 3_600_000, "lowPriority": True}
    job_input, options = take(
        {"input": {}, "webhook": "https://example.com", "policy": policy, "s3Config": {**BUCKET, "objectPath": "x/"}}
    )
    assert job_input == {}
    bucket = S3Config(
        access_id="id",
        access_secret="secret",  # noqa: S106  none
        bucket_name="b",
        endpoint_url="https://s3.example",
        object_path="x/",
    )
    assert options == {
        "webhook": "https://example.com",
        "execution_timeout": 60.0,
        "ttl": 3600.0,
        "low_priority": True,
        "s3_config": bucket,
    }


@BOTH
def test_options_that_are_none_are_left_out(take: Callable[[Any], Any]) -> None:
    policy = {"executionTimeout": None, "ttl": None, "lowPriority": None}
    assert take({"input": {}, "webhook": None, "policy": policy, "s3Config": None}) == ({}, {})


def test_other_fields_beside_the_input_are_sent_as_the_official_client_sends_them() -> None:
    assert parts({"input": {"a": 1}, "webhookV2": "x"}) == ({"a": 1}, {"extra_body": {"webhookV2": "x"}})


@pytest.mark.parametrize("fields", [{"input": {"a": 1}, "steps": 2}, {"input": ["a", "b"]}, {"input": None}])
def test_asyncio_leaves_an_input_field_to_the_worker_as_the_official_client_does(fields: Any) -> None:
    assert input_parts(fields) == (fields, {})


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook", "https://example.com"), ("policy", {"ttl": 60_000}), ("s3Config", BUCKET)],
)
def test_an_option_among_the_fields_of_the_input_is_taken_out_and_said(
    take: Callable[[Any], Any], name: str, value: Any
) -> None:
    with pytest.warns(UserWarning, match=f"^{name} beside the fields of the input"):
        job_input, options = take({"prompt": "Hi", name: value})
    assert job_input == {"prompt": "Hi"}
    assert len(options) == 1


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"webhook": "on"},
        {"webhook": {"url": "https://example.com"}},
        {"policy": "strict"},
        {"policy": {}},
        {"policy": {"ttl": 1, "retries": 3}},
        {"s3Config": {"bucketName": "b"}},
    ],
)
def test_a_field_that_only_has_the_name_of_an_option_is_the_worker_s(take: Callable[[Any], Any], fields: Any) -> None:
    assert take({"prompt": "Hi", **fields}) == ({"prompt": "Hi", **fields}, {})


@BOTH
@pytest.mark.parametrize(
    ("request_input", "kind", "message"),
    [
        (["Hi"], TypeError, "request_input is of type list: a dict expected"),
        (None, TypeError, "request_input is None: a dict expected"),
        ({"input": {}, "policy": 5}, TypeError, "policy is of type int: a dict expected"),
        ({"input": {}, "policy": {"maxRetries": 5}}, ValueError, "policy holds 'maxRetries'"),
        ({"input": {}, "policy": {"ttl": "60000"}}, TypeError, "milliseconds expected"),
        ({"input": {}, "s3Config": {"bucketName": "b"}}, ValueError, "s3Config lacks 'accessId'"),
        ({"input": {}, "s3Config": {**BUCKET, "region": "x"}}, ValueError, "s3Config holds 'region'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    take: Callable[[Any], Any], request_input: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        take(request_input)


def test_no_message_holds_a_secret() -> None:
    with pytest.raises(ValueError, match="region") as caught:
        parts({"input": {}, "s3Config": {**BUCKET, "accessSecret": "hush", "region": "hush"}})
    assert "hush" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(["prompt", "input", "webhook", "policy", "s3Config", "x"]), JSON, max_size=5)


@given(FIELDS)
def test_an_input_in_its_place_is_never_changed(fields: dict[str, Any]) -> None:
    assert parts({"input": fields}) == (fields, {})
    assert input_parts({"input": fields}) == (fields, {})


@pytest.mark.slow
@given(FIELDS.filter(lambda fields: "input" not in fields))
def test_without_input_nothing_is_lost(fields: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none of these can be meant for the service
        assert parts(fields) == (fields, {})
