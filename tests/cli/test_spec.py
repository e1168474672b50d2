"""The command spec: what it prints, serves and compares, and with which exit codes."""

import copy
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from runpod_sdk.cli import main
from runpod_sdk.cli._spec._document import installed, installed_text
from runpod_sdk.cli._spec._markdown import html_from, inline
from runpod_sdk.cli._spec._page import page_from

ROOT = Path(__file__).parents[2]
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
def page() -> Page:
    """Return the page of this version's document."""
    return Page(page_from(installed()))


@pytest.fixture
def older(tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """Return a copy of the document, and where to write what becomes of it."""
    return copy.deepcopy(installed()), tmp_path / "old.json"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["spec", *argv])
    out, err = capsys.readouterr()
    return code, out, err


# Printing.


@pytest.mark.parametrize("argv", [[], ["--json"]])
def test_json_is_the_document_byte_for_byte(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *argv) == (0, installed_text(), "")


def test_yaml_says_the_same_as_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--yaml")
    assert code == 0
    assert yaml.safe_load(out) == yaml.safe_load((ROOT / "openapi" / "runpod-queue.yaml").read_text(encoding="utf-8"))
    assert "\n  description: |\n" in out


def test_html_is_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--html") == (0, page_from(installed()), "")


def test_yaml_without_pyyaml_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert run(capsys, "--yaml") == (2, "", "YAML needs PyYAML: pip install 'runpod-sdk[cli]'\n")


@pytest.mark.parametrize("argv", [["--json", "--yaml"], ["--serve", "--html"], ["--diff", "x", "--yaml"]])
def test_options_that_contradict_each_other_exit_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["spec", *argv])
    assert raised.value.code == 2


# The page.


def test_the_page_loads_nothing(page: Page) -> None:
    assert page.loaded == []
    assert "url(" not in page_from(installed())


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []


def test_every_link_within_the_page_leads_somewhere_and_no_address_is_given_twice(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_every_operation_schema_and_field_has_its_place(page: Page) -> None:
    document = installed()
    operations = {
        item[method]["operationId"] for item in document["paths"].values() for method in item.keys() & {"get", "post"}
    }
    schemas = document["components"]["schemas"]
    fields = {f"{name}.{field}" for name, schema in schemas.items() for field in schema.get("properties", {})}
    assert operations | schemas.keys() | fields <= set(page.ids)


def test_no_markup_of_a_description_is_left_over(page: Page) -> None:
    assert not re.search(r"\*\*|\]\(|^#|`", page.text, re.MULTILINE)


def test_what_a_description_says_is_text_and_never_markup() -> None:
    document = installed()
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


# Serving.


def test_serve_serves_page_and_document_until_it_is_ended() -> None:
    command = [sys.executable, "-W", "error", "-m", "runpod_sdk", "spec", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answers = [httpx.get(url + path) for path in ("", "openapi.json", "nowhere")]
        finally:
            process.terminate()
    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[0].text == page_from(installed())
    assert answers[0].headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answers[1].json() == installed()


def test_serve_on_a_port_that_cannot_be_had_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--serve", "--port", "99999")
    assert (code, out) == (1, "")
    assert err.startswith("cannot listen on port 99999: ")


# Comparing.


def test_diff_with_itself_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--diff", str(ROOT / "openapi" / "runpod-queue.yaml"))
    assert (code, out) == (0, "no changes that clients could notice\n")


def test_diff_tells_what_does_not_break_and_exits_with_0(
    capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]
) -> None:
    document, path = older
    del document["components"]["schemas"]["Policy"]["properties"]["lowPriority"]
    path.write_text(json.dumps(document), encoding="utf-8")
    code, out, _ = run(capsys, "--diff", str(path))
    assert code == 0
    assert out == (
        "ok      schema Policy, in requests: optional field lowPriority added\n\n1 change, none of them breaking\n"
    )


def test_diff_tells_what_breaks_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]
) -> None:
    document, path = older
    document["components"]["schemas"]["Policy"]["properties"]["queue"] = {"type": "string"}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    code, out, _ = run(capsys, "--diff", str(path))
    assert code == 1
    assert out == "BREAKS  schema Policy, in requests: field queue removed\n\n1 change, 1 of them breaking\n"


def test_diff_reads_yaml_with_statuses_as_numbers_and_dates(
    capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]
) -> None:
    document, path = older
    text = yaml.safe_dump({**document, "x-date": "DATE"}).replace("DATE", "2026-01-01")
    path.write_text(re.sub(r"'(\d{3})':", r"\1:", text), encoding="utf-8")
    assert 200 in yaml.safe_load(path.read_text(encoding="utf-8"))["paths"]["/{endpoint_id}/run"]["post"]["responses"]
    assert run(capsys, "--diff", str(path))[:2] == (0, "no changes that clients could notice\n")


def test_diff_as_json_says_the_same(capsys: pytest.CaptureFixture[str], older: tuple[dict[str, Any], Path]) -> None:
    document, path = older
    document["info"]["version"] = "0.9.0"
    document["paths"]["/{endpoint_id}/pause"] = {"post": {"operationId": "pause", "responses": {}}}
    path.write_text(json.dumps(document), encoding="utf-8")
    code, out, _ = run(capsys, "--diff", str(path), "--json")
    assert code == 1
    assert json.loads(out) == {
        "old": "0.9.0",
        "new": installed()["info"]["version"],
        "breaks": True,
        "changes": [{"where": "POST /{endpoint_id}/pause", "what": "removed", "is_breaking": True}],
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b"[]", "an object expected, not list"),
        (b"{a: [", "neither JSON nor YAML"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a: " + b"[" * 100_000, "nested too deeply"),
        (b"a: &a [*a]", "no JSON could hold it: Circular reference detected"),
        (b"2026-01-02: a", "no JSON could hold it: keys must be str"),
        (b"{}", "OpenAPI 3 expected"),
        (b'{"openapi": "3.1.0", "paths": []}', "no valid OpenAPI 3"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_document_exits_with_2(
    content: bytes | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.yaml"
    if content is not None:
        path.write_bytes(content)
    code, out, err = run(capsys, "--diff", str(path))
    assert (code, out) == (2, "")
    assert err.startswith(f"spec --diff {path}: ")
    assert reason in err
