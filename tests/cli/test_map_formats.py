"""The command `map`: what files inputs are read from, and results are written to."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
import threading
from contextlib import redirect_stderr
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import Client, JobState, JobStatus, MapResult
from runpod_sdk.cli._map._formats import format_of
from runpod_sdk.cli._map._outputs import _grouped as grouped
from runpod_sdk.cli._map._outputs import _kinds as kinds_of
from runpod_sdk.cli._map._outputs import _text as table_text
from runpod_sdk.cli._map._outputs import output_of
from runpod_sdk.cli._map._progress import Progress, text_of
from runpod_sdk.cli._map._shape import Shape, field_of
from runpod_sdk.cli._map._sources import _cell as cell_of
from runpod_sdk.cli._map._sources import source_of
from runpod_sdk.cli._session import BadCallError
from tests.cli.conftest import posix_only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Done, Shell

LINES = b'{"n": 1}\n{"n": 2}\n'


def records(content: bytes, name: str = "inputs") -> list[Any]:
    return [record for _, record in source_of(name, io.BytesIO(content))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.json", b'[{"n": 1}, {"n": 2}]'),
        ("a", b'\n\n[\n  {"n": 1},\n  {"n": 2}\n]\n'),
        ("a.txt", LINES.decode().encode("utf-16")),
        ("a", LINES.decode().encode("utf-16-be")),
        ("a", LINES.decode().encode("utf-16-le")),
        ("a", LINES.decode().encode("utf-32")),
        ("a", b"\xef\xbb\xbf" + LINES),
        ("a.json", '[{"n": 1}, {"n": 2}]'.encode("utf-16")),
        ("a.csv", LINES),  # by what it holds, whatever it is called
        ("a.jsonl", LINES.replace(b"\n", b"\r\n")),
    ],
)
def test_a_file_is_known_by_what_it_holds(name: str, content: bytes) -> None:
    assert records(content, name) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b'n,text\n1,"one, ""two""\nthree"\n\n2,\n'),
        ("a.tsv", b'n\ttext\n1\t"one, ""two""\nthree"\n2\t\n'),
        ("a", b'n;text\r\n1;"one, ""two""\nthree"\r\n2;\r\n'),
        ("a.csv", b'\xef\xbb\xbf"n","text"\n1,"one, ""two""\nthree"\n2,\n'),
        ("a.csv", 'n,text\n1,"one, ""two""\nthree"\n2,\n'.encode("utf-16")),
    ],
)
def test_a_table_is_read_with_its_header(name: str, content: bytes) -> None:
    assert records(content, name) == [{"n": "1", "text": 'one, "two"\nthree'}, {"n": "2", "text": ""}]


def test_a_row_has_the_line_that_it_begins_on() -> None:
    assert [line for line, _ in source_of("a.csv", io.BytesIO(b'n\n"1\n2"\n3\n'))] == [2, 4]


def test_a_row_that_is_none_is_told_in_its_place() -> None:
    first, error, last = records(b"n,text\n1,a\n2\n3,c\n", "a.csv")
    assert (first, last) == ({"n": "1", "text": "a"}, {"n": "3", "text": "c"})
    assert str(error) == "1 cell, where the header has 2"
    assert records(b"\n\n", "a.csv") == []


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=4) | st.none(), max_size=3)),
    st.sampled_from([None, 2]),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_an_array_is_read_an_element_at_a_time(values: list[Any], indent: int | None, encoding: str) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=encoding == "utf-8")
    assert records(text.encode(encoding, "surrogatepass")) == values


def test_an_element_that_is_longer_than_what_is_read_at_once_is_read() -> None:
    values = [{"n": "x" * 700_000}, {"n": 1}, 12, {"n": "y" * 300_000}]
    assert records(json.dumps(values).encode()) == values


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("a.xlsx", b"PK\x03\x04...", "save it as CSV"),
        ("a.jsonl.gz", b"\x1f\x8b\x08", "zcat FILE |"),
        ("a.bin", b"\x00\x01\x02\x00", "not text"),
        ("a.parquet", LINES, "it is not a Parquet file"),
        ("prompts.txt", b"a cat\na dog\n", "jq -cR"),
        ("prompts.txt", b"a cat, on a mat\nMary had a lamb, and so on\n", "jq -cR"),
        ("a.jsonl", b"notes\n", "does not begin with a JSON object"),
        ("a.json", b'{\n  "input": {"n": 1}\n}\n', "jq -c ."),
        ("a.json", b'[{"n": 1}, {"n": ', "ends after element 1"),
        ("a.json", b'[{"n": 1} {"n": 2}]', "ends after element 1"),
        ("a.json", b'[{"n": 1}] {"n": 2}', "there is something after"),
        ("a.json", b"[1, " + b"[" * 200_000, "ends after element 1"),
        ("a.csv", b"n,text\n1,caf\xe9\n", "iconv -f latin1"),
        ("a.csv", b"n,n\n1,2\n", 'two columns are called "n"'),
    ],
)
def test_a_file_that_is_none_is_refused_once_with_a_hint(name: str, content: bytes, hint: str) -> None:
    with pytest.raises(BadCallError) as caught:
        records(content, name)
    assert hint in str(caught.value)


class Pipe(io.RawIOBase):
    """What cannot be read twice, and comes in small pieces."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(memoryview(buffer)[:7])


@pytest.mark.parametrize(
    "content", [LINES, b'[{"n": 1},\n{"n": 2}]', LINES.decode().encode("utf-16"), b"\xef\xbb\xbf" + LINES]
)
def test_a_pipe_is_known_by_what_it_holds(content: bytes) -> None:
    source = source_of("standard input", io.BufferedReader(Pipe(content), 16))
    assert [record for _, record in source] == [{"n": 1}, {"n": 2}]
    with pytest.raises(TypeError):
        len(source)


# Rows become inputs.


@pytest.mark.parametrize(
    ("words", "key", "sent", "beside"),
    [
        (["--"], None, {"id": "7", "n": "1", "label": "x"}, {"row_id": "7", "n": "1", "label": "x"}),
        (["id"], "7", {"n": "1", "label": "x"}, {"n": "1", "label": "x"}),
        (["id", "n"], "7", {"n": "1"}, {"n": "1", "label": "x"}),
        (["label", "text=n"], "x", {"text": "1"}, {"row_id": "7", "n": "1", "label": "x"}),
        (["id", "n:=n", "label"], "7", {"n": 1, "label": "x"}, {"n": "1", "label": "x"}),
    ],
)
def test_fields_are_chosen(words: list[str], key: str | None, sent: dict[str, Any], beside: dict[str, Any]) -> None:
    shape = Shape(None if words[0] == "--" else words[0], [*map(field_of, words[1:])], ["id", "n", "label"])
    found = shape.input_of(3, {"id": "7", "n": "1", "label": "x"})
    assert (found.key, dict(found), found.beside) == (key, sent, beside)
    assert json.loads(found.note) == {"line": 3, **({} if key is None else {"key": key}), **beside}


def test_an_object_in_a_field_is_the_input() -> None:
    record = {"doc": 7, "payload": {"n": 1}, "label": "x"}
    found = Shape("doc", [field_of("payload")], None).input_of(1, record)
    assert (found.key, dict(found), found.beside) == (7, {"n": 1}, record)
    body = Shape("doc", [], None).input_of(1, {"doc": 7, "input": {"n": 1}})
    assert (body.key, dict(body)) == (7, {"n": 1})


def test_a_table_of_keys_and_inputs_is_one_of_inputs() -> None:
    found = Shape(None, [], ["key", "input"]).input_of(2, {"key": "a", "input": '{"n": 1}'})
    assert (found.key, dict(found), found.beside) == ("a", {"n": 1}, {})
    alpaca = Shape(None, [], ["instruction", "input", "output"])
    row = {"instruction": "add", "input": "{}", "output": "2"}
    assert dict(alpaca.input_of(2, row)) == row, "a text of that name is no input"


@pytest.mark.parametrize(("key", "fields"), [("nr", []), (None, ["nr"]), (None, ["a:=nr"])])
def test_a_column_that_is_not_there_is_refused_once(key: str | None, fields: list[str]) -> None:
    with pytest.raises(BadCallError, match='no column "nr": the inputs have "id", "n"'):
        Shape(key, [*map(field_of, fields)], ["id", "n"])


@pytest.mark.parametrize("word", ["", "=", "a=", ":=b", "a:="])
def test_a_field_is_named(word: str) -> None:
    with pytest.raises(BadCallError, match="NAME=COLUMN"):
        field_of(word)


@pytest.mark.parametrize(
    ("shape", "record", "why"),
    [
        (Shape("id", [], None), 3, "a JSON object expected"),
        (Shape("id", [], None), {"n": 1}, 'there is no field "id"'),
        (Shape(None, [field_of("n:=n")], None), {"n": "x"}, '"n" is not JSON'),
        (Shape(None, [], ["key", "input"]), {"key": "a", "input": "[1]"}, '"input" is not a JSON object'),
        (Shape(None, [], ["key", "input"]), {"key": "a", "input": "{"}, '"input" is not a JSON object'),
        (Shape("id", [], None), {"id": 0.5}, "a key is a text or a whole number"),
    ],
)
def test_a_record_that_is_no_input_says_why(shape: Shape, record: Any, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        shape.input_of(1, record)


def test_a_column_without_a_name_is_refused_unless_others_are_chosen() -> None:
    with pytest.raises(BadCallError, match="a column of the inputs has no name"):
        Shape(None, [], ["", "n"])
    assert dict(Shape(None, [field_of("n")], ["", "n"]).input_of(1, {"": "0", "n": "1"})) == {"n": "1"}


# Cells, as JSON has them, and as a table has them.


def test_cells_of_a_parquet_file_become_json() -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    cells = {"at": at, "day": at.date(), "time": at.time(), "whole": Decimal("2.0"), "part": Decimal("2.5"), "no": None}
    found = {"at": "2026-01-02T03:04:00+00:00", "day": "2026-01-02", "time": "03:04:00", "whole": 2, "part": 2.5}
    assert cell_of("c", [{"inner": cells}, math.nan]) == [{"inner": {**found, "no": None}}, None]
    with pytest.raises(ValueError, match=r'"c\.picture" holds bytes, which JSON cannot hold'):
        cell_of("c", {"picture": b"pixels"})


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([True, None], "bool"),
        ([1, 2], "int"),
        ([None, 1, 0.5], "float"),
        ([1, True], "text"),
        ([1, 2**63], "text"),
        ([{"n": 1}], "text"),
        ([None, None], "text"),
    ],
)
def test_a_column_is_of_the_kind_that_all_its_cells_have(cells: list[Any], kind: str) -> None:
    assert kinds_of({"status": "COMPLETED", "mine": cell} for cell in cells) == {"mine": kind}


def test_what_a_cell_of_text_cannot_hold_is_written_out() -> None:
    texts = [table_text(value) for value in (None, 1, {"n": "é"}, "plain", "café", "half \ud83d")]
    assert texts == [None, "1", '{"n": "\\u00e9"}', "plain", "café", "half \\ud83d"]


def test_rows_go_into_a_parquet_file_a_thousand_at_a_time() -> None:
    groups = [*grouped(iter([{"line": n} for n in range(2001)]))]
    assert [len(group) for group in groups] == [1000, 1000, 1]


def test_a_table_of_somebody_elses_is_no_output(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    output_of(out).mend()
    out.write_text("line,key,mine\n")
    output_of(out).mend()
    out.write_text("mine\n")
    with pytest.raises(BadCallError, match="not the results of a bulk run"):
        output_of(out).mend()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadCallError, match="a file expected"):
        output_of(tmp_path / "folder.csv")
    with pytest.raises(FileNotFoundError):
        output_of(tmp_path / "none" / "out.csv")


def test_parquet_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadCallError, match=r"pip install 'runpod-sdk\[parquet\]'"):
        output_of(tmp_path / "out.parquet")
    with pytest.raises(BadCallError, match="cannot be read from a pipe: name the file"):
        source_of("standard input", io.BufferedReader(Pipe(b"PAR1...")))


# The whole command.


@pytest.fixture
def run(shell: Shell, tmp_path: Path) -> Any:
    shell.emulator.endpoint("abc", handler, workers=4)

    def call(inputs: Path | str, output: str, *words: object, stdin: str = "") -> Done:
        return shell("map", "abc", inputs, "--output", tmp_path / output, *words, stdin=stdin)

    return call


def handler(job: dict[str, Any]) -> Any:
    if job["input"]["text"] == "bad":
        raise ValueError("bad text")
    return {"said": job["input"]["text"]}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(csv.DictReader(file), key=lambda row: row["line"])


def test_a_csv_is_run_into_a_csv_with_its_columns(run: Any, shell: Shell, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.csv"
    inputs.write_text("id,text,label\n7,one,x\n8,bad,\n", encoding="utf-8")
    words = ("--key-field", "id", "--input-field", "text")
    assert run(inputs, "out.csv", *words).code == 1
    first, second = table(tmp_path / "out.csv")
    assert [*first][:5] == ["line", "key", "text", "label", "id"]
    assert (first["key"], first["label"], first["status"]) == ("7", "x", "COMPLETED")
    assert json.loads(first["output"]) == {"said": "one"}
    assert all(row["submitted_at"].endswith("+00:00") for row in (first, second))
    assert (second["line"], second["status"], second["error"]) == ("3", "FAILED", "ValueError: bad text")
    inputs.write_text("id,text,label\n9,two,z\n8,bad,\n7,one,x\n", encoding="utf-8")
    assert run(inputs, "out.csv", *words).code == 1
    assert sorted(row["key"] for row in table(tmp_path / "out.csv")) == ["7", "8", "9"]
    assert shell.operations.count("run") == 3


def test_results_of_rows_that_go_into_lines_have_their_columns(run: Any, tmp_path: Path) -> None:
    assert run("-", "out", stdin="text,line\none,a\n").code == 0
    result = json.loads((tmp_path / "out").read_text())
    assert (result["line"], result["row_line"], result["text"], result["output"]["said"]) == (2, "a", "one", "one")


def test_parquet_is_run_into_parquet(run: Any, tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = {"nr": [1, 2], "text": ["one", "two"], "score": [0.5, None], "at": [None, None]}
    parquet.write_table(pa.table(rows), tmp_path / "in.parquet")
    for _ in range(2):
        assert run(tmp_path / "in.parquet", "out.parquet", "--key-field", "nr").code == 0
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.schema.field("key").type == pa.int64()
    assert found.schema.field("score").type == pa.float64()
    assert all(at.endswith("+00:00") for at in found["submitted_at"].to_pylist())
    assert sorted(found.select(["key", "score", "text"]).to_pylist(), key=lambda row: row["key"]) == [
        {"key": 1, "score": 0.5, "text": "one"},
        {"key": 2, "score": None, "text": "two"},
    ]
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "in.parquet").read_bytes()[:-9])
    done = run(tmp_path / "torn.parquet", "other.parquet")
    assert (done.code, "incomplete Parquet file" in done.err) == (2, True)


def test_a_table_that_is_there_without_its_journal_is_left_as_it_is(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("line,key,mine\n")
    done = run("-", "out.csv", stdin='{"text": "a"}\n')
    assert (done.code, out.read_text()) == (2, "line,key,mine\n")
    assert "its journal does not; use another --output" in done.err
    assert {*tmp_path.iterdir()} == {out}


def test_an_array_that_breaks_off_is_refused_before_anything_is_sent(run: Any, shell: Shell) -> None:
    assert run("-", "out.csv", stdin='[{"text": "a"}, {"te').code == 2
    assert shell.operations == []


@posix_only
def test_a_pipe_that_breaks_off_ends_the_run_and_what_came_is_kept(run: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('[{"text": "a"}, {"te',))
    writer.start()
    done = run(pipe, "out.csv")
    writer.join()
    assert done.code == 2
    assert "ends after element 1" in done.err
    assert [json.loads(row["output"]) for row in table(tmp_path / "out.csv")] == [{"said": "a"}]


class Lines(io.StringIO):
    """Standard error that says when the first line has come, and whether it is a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.has_line = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        if "\n" in text:
            self.has_line.set()
        return count


@pytest.mark.parametrize("is_terminal", [True, False])
def test_how_far_a_run_is_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
    monkeypatch.setenv("TERM", "dumb")
    told, now, job = Lines(is_terminal=is_terminal), [0.0], Client("key").endpoint("abc").job("j1")
    with redirect_stderr(told):
        progress = Progress("map", 2, 0.5, 0.001, lambda: now[0], lambda: 7)
        now[0] = 4.0
        state = JobState(id="j1", endpoint_id="abc", status=JobStatus.COMPLETED, execution_time_ms=3000)
        progress.add(MapResult.made(index=0, key="a", input={}, output=1, job=job, state=state), "COMPLETED")
        progress.add(MapResult.made(index=1, key="b", input={}, error=ValueError("why")), "UNKNOWN")
        if not is_terminal:
            assert told.has_line.wait(30)
        progress.close()
        progress.close()
    line = told.getvalue().splitlines()[-1]
    assert line.startswith("map ")
    if is_terminal:
        assert "2/2 done, 1 unknown, 0.5/s, cost 1.5 so far" in line
    else:
        assert "/2 done, " in line
        assert line.endswith(", 7 done before")


def test_how_far_a_run_is_in_words() -> None:
    assert text_of(0, None, 0, 0, 0.0, None) == "0 done, 0 failed, 0 unknown"
    assert text_of(50, 200, 2, 1, 10.0, 0.25) == (
        "50/200 done, 2 failed, 1 unknown, 5/s, 30 s left, cost 0.25 so far, of execution alone"
    )
    assert text_of(1, 10_000, 0, 0, 1.0, None, is_short=True) == "1/10000 done, 1/s, 2.8 h left"


def test_the_kind_of_a_file_needs_no_more_than_its_first_lines() -> None:
    assert format_of("a", b"").kind == "lines"
    assert format_of("a.csv", b"").kind == "csv"
