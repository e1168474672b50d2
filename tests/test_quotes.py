"""What an answer quotes of a request is cut out of it, however it is written there; and nothing else is."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runpod_sdk._flows._api as api
from runpod_sdk import S3Config
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._outcomes import Answer
from runpod_sdk._values._quotes import CUT, Quotes

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "rpa_HUNTER2hunter2&hunter2"
S3_SECRET = "s3/hunter2+hunter2="  # noqa: S105  a test's
BUCKET = S3Config(access_id="AKIAHUNTER", access_secret=S3_SECRET, bucket_name="b1", endpoint_url="https://s3")
OPTIONS: Any = {
    "webhook": "https://me.example/hook?token=w3bh00k",
    "s3_config": BUCKET,
    "extra_headers": {"X-Gateway": "gateway-hunter2", "X-Short": "sh0rt"},
    "extra_query": {"sig": "qu3ry"},
}
INPUT = {"prompt": 'a cat "Mimi" in Köln,\non a 猫 mat', "negative_prompt": "dogs", "seed": 123456, "tags": ["fluffy"]}


def quotes(value: Any = INPUT, key: str = KEY, **options: Any) -> Quotes:
    more: Any = options or OPTIONS
    return Quotes(Hidden(key), api.run("abc", value, more))


SECRETS = [
    KEY,
    "gateway-hunter2",
    "sh0rt",
    "qu3ry",
    "w3bh00k",
    "AKIAHUNTER",
    "s3/hunter2+hunter2=",
    'a cat "Mimi" in Köln,\non a 猫 mat',
    "fluffy",
    "123456",
    "dogs",
]
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as JSON": json.dumps,
    "as JSON of its own letters": lambda text: json.dumps(text, ensure_ascii=False),
    "as JSON in JSON": lambda text: json.dumps(json.dumps({"x": text})),
    "as Python": repr,
    "in a URL": lambda text: f"?x={quote(text, safe='')}&y=1",
    "in a form": lambda text: f"x={quote_plus(text)}",
    "in HTML": lambda text: f"<b>{html.escape(text)}</b>",
    "at the end of a line": lambda text: f"bad value: {text}.",
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_cut_out_however_it_is_written(secret: str, written: str) -> None:
    text = f"the request was refused: {WRITTEN[written](secret)}"
    found = quotes().cut(text)
    assert found.startswith("the request was refused: ")
    assert CUT in found
    for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
        assert form not in found


@pytest.mark.parametrize("secret", [KEY, "gateway-hunter2", 'a cat "Mimi" in Köln,\non a 猫 mat'])
@pytest.mark.parametrize("login", ["{}", "user:{}", "a:{}", ":{}", "{}:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_in_base64_is_cut_out(secret: str, login: str, encode: Callable[[bytes], bytes]) -> None:
    word = encode(login.format(secret).encode()).decode()
    for end in (None, -1, -2, -3):  # whole, and cut off
        assert quotes().cut(f"no such login: Basic {word[:end]}") == f"no such login: Basic {CUT}"


@pytest.mark.parametrize("part", [slice(0, 12), slice(5, 17), slice(-12, None), slice(3, -3)])
@pytest.mark.parametrize("secret", [KEY, 'a cat "Mimi" in Köln,\non a 猫 mat'])
def test_a_part_of_a_secret_is_cut_out(secret: str, part: slice) -> None:
    assert quotes().cut(f"near {secret[part]}!") == f"near {CUT}!"


def test_of_a_quote_of_the_body_only_the_names_of_fields_are_left() -> None:
    body = (api.run("abc", INPUT, OPTIONS).content.reveal() or b"").decode()
    found = quotes().cut(f"cannot parse {body[:90]}… at 90")
    assert found == f'cannot parse {{"input":{{"prompt"{CUT}"negative_prompt":"{CUT}… at 90'


PLAIN = [
    "rate limit exceeded",
    "exceeded max body size of 10MiB",
    "input.negative_prompt: field required",
    'missing field "prompt"',
    "policy.executionTimeout must be at least 5000",
    "endpoint abc is not ready: 503 Service Unavailable",
    "seed: Input should be a valid integer",
    '{"error": "too many requests", "status": 429}',
    "a cat",  # shorter than what cannot come by chance
    "",
    "%zz &amp; \\u00e4 \\",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_an_error_says_of_itself_stays(text: str) -> None:
    assert quotes().cut(text) == text


@pytest.mark.parametrize("key", ["k", "test", "a-1"])
def test_a_short_key_is_cut_out_as_a_word(key: str) -> None:
    found = quotes({}, key).cut(f"{key}: no such {key}, Bearer {key}; tests, knacks, a-12")
    assert found == f"{CUT}: no such {CUT}, Bearer {CUT}; tests, knacks, a-12"


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_any_text_can_be_cut(text: str, value: dict[str, str]) -> None:
    found = quotes(value).cut(text)
    assert found == text or CUT in found


@given(st.text(min_size=12, max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_no_long_value_gets_through(secret: str, before: str, after: str) -> None:
    found = quotes({"x": secret}).cut(f"{before} {secret} {after}")
    assert f" {secret} " not in f" {found} "


@given(st.text(alphabet="ab", max_size=60), st.text(alphabet="ab", max_size=60))
def test_no_run_of_twelve_is_left(value: str, text: str) -> None:
    found = quotes({"x": value}).cut(text)
    runs = {value[at : at + 12] for at in range(len(value) - 11)}
    assert not [run for run in runs if run in found]


def test_of_a_large_body_the_beginning_and_the_end_are_known() -> None:
    value = {"a": "hunter2-at-the-beginning", "pad": "x" * (6 * 2**20), "z": "hunter2-at-the-end"}
    cutter = quotes(value)
    assert cutter.cut("no: hunter2-at-the-beginning") == f"no: {CUT}"
    assert cutter.cut("no: hunter2-at-the-end") == f"no: {CUT}"


def test_an_answer_shows_its_first_characters_without_quotes() -> None:
    cutter = quotes({"prompt": "hunter2 " * 200})
    body = b"x" * 490 + b" hunter2 hunter2 hunter2 " + b"y" * 300
    assert Answer(400, {}, body, cutter).text(500) == "x" * 490 + f"{CUT}yyyyyyy"
    # A quote that goes on beyond what is read leaves no beginning behind.
    for at in range(440, 520):
        shown = Answer(400, {}, b"x" * at + b"hunter2 " * 400, cutter).text(500)
        assert "hunter" not in shown


def test_an_answer_tells_its_headers_without_quotes_and_its_repr_tells_nothing() -> None:
    headers = {"location": f"https://login?key={quote(KEY, safe='')}", "date": "now", "x-echo": "a gateway-hunter2"}
    answer = Answer(302, headers, KEY.encode(), quotes())
    assert answer.told_headers() == {"location": f"https://login?key={CUT}", "date": "now", "x-echo": f"a {CUT}"}
    assert repr(answer) == "Answer(status=302)"


def test_what_is_hidden_shows_itself_nowhere() -> None:
    import pickle  # noqa: PLC0415  for this one

    hidden = Hidden("hunter2")
    assert (repr(hidden), f"{hidden}", hidden.reveal()) == ("<hidden>", "<hidden>", "hunter2")
    assert (hidden == Hidden("hunter2"), hash(hidden) == hash(Hidden("hunter2"))) == (True, True)
    assert hidden != "hunter2"
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(hidden)
    assert "hunter2" not in repr(quotes())
