"""Pictures in an output: which are found, what is shown of them, and that nothing is fetched, or written unasked."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import JobState, JobStatus
from runpod_sdk._display._images import IMAGE_MAX, SHOWN_MAX, images_in

if TYPE_CHECKING:
    from pathlib import Path

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(40))
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L" + bytes(range(40))
KINDS = {"image/png": PNG, "image/jpeg": JPEG, "image/webp": WEBP}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("mime", KINDS)
def test_base64_is_found_however_it_is_written(mime: str) -> None:
    data = KINDS[mime]
    plain = text(data)
    for written in (
        plain,
        plain.rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
        base64.encodebytes(data).decode(),
        f"data:{mime};base64,{plain}",
        f"DATA:image/x-novel;charset=utf-8;BASE64,{plain}",
    ):
        [image] = images_in(written)
        assert (image.path, image.mime, image.data, image.url) == ("output", mime, data, None)


@pytest.mark.parametrize("name", ["a.png", "b/c.JPG?signature=x&y=1", "d.jpeg#top", "e.webp"])
def test_a_url_that_ends_like_a_picture_is_found_and_has_no_bytes(name: str) -> None:
    [image] = images_in(f"https://files.example/{name}")
    assert image.url == f"https://files.example/{name}"
    assert image.data is None
    assert "signature" not in repr(image)


@pytest.mark.parametrize(
    "output",
    [
        None,
        7,
        "",
        "a word",
        "/9j/",
        "/9j/ is a path",
        "iVBORw0KGgo is how they begin",
        "iVBORw0KGgo=A===",
        text(b"GIF89a" + bytes(40)),
        text(b"RIFF\x00\x00\x00\x00WAVE" + bytes(40)),
        "data:image/png;base64," + text(b"<script>"),
        "data:image/svg+xml;base64," + text(b"<svg/>"),
        "data:image/png," + text(PNG),
        "https://files.example/page.html",
        "https://files.example/a.png is a nice one",
        "ftp://files.example/a.png",
        "javascript:alert(1)//a.png",
        "https://[a.png",
        {"https://files.example/a.png": 1},
    ],
)
def test_nothing_else_is(output: Any) -> None:
    assert images_in(output) == ()


def test_they_are_found_anywhere_in_their_order_with_their_places() -> None:
    output = {
        "images": [text(PNG), {"url": "https://x.example/1.png"}],
        "odd key": {"a": [[text(JPEG)]]},
        "seed": 5,
        "last": text(WEBP),
    }
    assert [(image.path, image.mime) for image in images_in(output)] == [
        ("output.images[0]", "image/png"),
        ("output.images[1].url", "image/png"),
        ("output['odd key'].a[0][0]", "image/jpeg"),
        ("output.last", "image/webp"),
    ]


@pytest.mark.slow
def test_one_that_is_too_large_is_left_out() -> None:
    fits = PNG + bytes(IMAGE_MAX - len(PNG))
    assert len(images_in([text(fits), text(fits + b"x")])) == 1


def test_a_depth_that_no_recursion_reaches_is_searched() -> None:
    output: Any = text(PNG)
    for _ in range(5000):
        output = [output]
    assert len(images_in(output)) == 1


def test_a_state_looks_into_its_output_and_while_the_job_runs_into_its_progress() -> None:
    facts: Any = {"id": "j1", "endpoint_id": "abc"}
    done = JobState(**facts, status=JobStatus.COMPLETED, output=[text(PNG)])
    runs = JobState(**facts, status=JobStatus.IN_PROGRESS, progress={"preview": text(PNG)})
    assert [image.path for image in done.images()] == ["output[0]"]
    assert [image.path for image in runs.images()] == ["output.preview"]


JSON = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from([text(data) for data in KINDS.values()]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(output=JSON)
def test_whatever_an_output_is_its_pictures_can_be_shown(output: Any) -> None:
    found: Any = images_in(output)
    assert "<img" in found._repr_html_() or not found
    for image in found:
        assert image.data in KINDS.values()
        assert image._repr_mimebundle_()


# Shown and written: each only when asked.


def test_a_notebook_shows_bytes_and_for_a_url_a_link() -> None:
    found: Any = images_in([text(PNG), text(WEBP), 'https://x.example/"><script>.png'])
    html = found._repr_html_()
    assert html.count("<img") == 2
    assert f"data:image/png;base64,{text(PNG)}" in html
    assert "<script>" not in html
    png, webp, link = [image._repr_mimebundle_() for image in found]
    assert png["image/png"] == text(PNG)
    assert "<img" in webp["text/html"]
    assert "<img" not in link["text/html"]


def test_a_cell_shows_some_and_says_how_many_more_there_are() -> None:
    many: Any = images_in([text(PNG)] * (SHOWN_MAX + 3))
    assert many._repr_html_().count("<img") == SHOWN_MAX
    assert many._repr_html_().endswith("<div>and 3 more</div>")
    assert many[:2] == (many[0], many[1])


def test_a_picture_is_written_where_it_is_told_to(tmp_path: Path) -> None:
    [image] = images_in(text(PNG))
    assert image.save(tmp_path / "made.png") == tmp_path / "made.png"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [PNG]


def test_a_url_is_not_written_and_not_fetched(tmp_path: Path) -> None:
    [image] = images_in("https://x.example/a.png")
    assert image.url == "https://x.example/a.png"
    with pytest.raises(ValueError, match=r"output is a URL, and the SDK downloads nothing: fetch image\.url yourself"):
        image.save(tmp_path / "made.png")
    assert list(tmp_path.iterdir()) == []
