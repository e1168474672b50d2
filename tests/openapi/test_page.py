"""The page of the document, for the documentation's site: it loads nothing, and every part of it has its place."""

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from page import page_from
from page._markdown import html_from, inline

Document = dict[str, Any]
VOID = {"meta", "br"}


class Page(HTMLParser):
    """A page as its tags: what is named, what links to it, what would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        if tag in {"script", "link", "img", "iframe"} or "src" in values:
            self.loaded.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(document: Document) -> Page:
    """Return the page of this version's document."""
    return Page(page_from(document))


def test_the_page_loads_nothing(page: Page, document: Document) -> None:
    assert page.loaded == []
    assert "url(" not in page_from(document)


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []


def test_every_link_within_the_page_leads_somewhere_and_no_address_is_given_twice(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_every_operation_schema_and_field_has_its_place(page: Page, document: Document) -> None:
    operations = {
        item[method]["operationId"] for item in document["paths"].values() for method in item.keys() & {"get", "post"}
    }
    schemas = document["components"]["schemas"]
    fields = {f"{name}.{field}" for name, schema in schemas.items() for field in schema.get("properties", {})}
    assert operations | schemas.keys() | fields <= set(page.ids)


def test_no_markup_of_a_description_is_left_over(page: Page) -> None:
    assert not re.search(r"\*\*|\]\(|^#|`", page.text, re.MULTILINE)


def test_what_a_description_says_is_text_and_never_markup(document: Document) -> None:
    document = copy.deepcopy(document)
    document["info"]["title"] = document["info"]["description"] = "<script>alert(1)</script>"
    document["components"]["schemas"]["Job"]["properties"] = {"<b>": {"description": "`<i>`", "type": "<u>"}}
    assert not re.search("<script|<b>|<i>|<u>", page_from(document))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**`a` b** c", "<strong><code>a</code> b</strong> c"),
        ("`**a** <b>`", "<code>**a** &lt;b&gt;</code>"),
        ("[a](https://b.c/?d&e)", '<a href="https://b.c/?d&amp;e">a</a>'),
        ("[a](javascript:b)", "[a](javascript:b)"),
    ],
)
def test_inline_markup(text: str, html: str) -> None:
    assert inline(text) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a\nb\n\nc", "<p>a b</p>\n<p>c</p>"),
        ("## a", "<h3>a</h3>"),
        ("- a\n  b\n- c", "<ul><li>a b</li><li>c</li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
    ],
)
def test_blocks_of_markup(text: str, html: str) -> None:
    assert html_from(text) == html


def test_a_table_of_markup() -> None:
    assert re.sub("<[^>]+>", " ", html_from("| a | b |\n|---|---|\n| c | `d` |")).split() == ["a", "b", "c", "d"]
