"""A worker's file in this process: what is taken from it, what it may import, and why one cannot be loaded."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, HandlerFileError
from runpod_sdk.emulator._workers import _handlers
from runpod_sdk.emulator._workers._programs import program_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runpod_sdk.emulator._workers._handlers import HandlerFile

    Write = Callable[..., str]

PLAIN = """
import runpod

def handler(job):
    return {"echo": job["input"]}

runpod.serverless.start({"handler": handler})
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the interpreter as it was: what was imported, and from where."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, and return where it is."""

    def write(text: str, name: str = "handler.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # Python trusts a cached module of the same second and size.
        importlib.invalidate_caches()
        return str(path)

    return write


def load(target: str) -> HandlerFile:
    """Load a file."""
    return _handlers.load(program_of(target))


def run(target: str, job_input: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run one job on an emulator, and return how it ended."""
    with Emulator(clock=VirtualClock()) as emulator:
        emulator.endpoint("e", target, in_process=True, **options)
        with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}, timeout=None) as client:  # noqa: S113  virtual
            url = emulator.connection["base_url"] + "/e/runsync"
            state: dict[str, Any] = client.post(url, json={"input": job_input}).json()
    return state


# How files call start.

START = 'start({"handler": handler})'
WAYS = {
    "runpod.serverless.start": f"import runpod\nHANDLER\nrunpod.serverless.{START}",
    "rp.serverless.start": f"import runpod as rp\nHANDLER\nrp.serverless.{START}",
    "from runpod import serverless": f"from runpod import serverless\nHANDLER\nserverless.{START}",
    "from runpod.serverless import start": f"from runpod.serverless import start\nHANDLER\n{START}",
    "import runpod.serverless": f"import runpod.serverless\nHANDLER\nrunpod.serverless.{START}",
    "guarded": f'import runpod\nHANDLER\nif __name__ == "__main__":\n    runpod.serverless.{START}',
    "in a function": f"import runpod\nHANDLER\ndef main():\n    runpod.serverless.{START}\nmain()",
    "with an exit": f"import runpod, sys\nHANDLER\nsys.exit(runpod.serverless.{START})",
    "and nothing after it": f"import runpod\nHANDLER\nrunpod.serverless.{START}\nraise RuntimeError('after start')",
    "catching errors": f"import runpod\nHANDLER\ntry:\n    runpod.serverless.{START}\nexcept Exception:\n    raise",
    "catching everything": f"import runpod\nHANDLER\ntry:\n    runpod.serverless.{START}\nexcept:\n    pass",
    "exiting after all": f"import runpod, sys\nHANDLER\ntry:\n    runpod.serverless.{START}\nexcept:\n    sys.exit(1)",
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_call_start(write: Write, way: str) -> None:
    state = run(write(WAYS[way].replace("HANDLER", "def handler(job):\n    return job['input']['n'] * 2")), {"n": 21})
    assert (state["status"], state["output"]) == ("COMPLETED", 42)


@pytest.mark.parametrize(
    "handler",
    [
        "async def handler(job):\n    return [1, 2]",
        "def handler(job):\n    yield from (1, 2)",
        "async def handler(job):\n    yield 1\n    yield 2",
        "class Model:\n    def __call__(self, job):\n        return [1, 2]\nhandler = Model()",
    ],
)
def test_every_kind_of_handler(write: Write, handler: str) -> None:
    text = f'import runpod\n{handler}\nrunpod.serverless.start({{"handler": handler, "return_aggregate_stream": True}})'
    assert run(write(text), {"n": 1})["output"] == [1, 2]


def test_without_return_aggregate_stream_the_output_of_a_generator_is_empty(write: Write) -> None:
    text = 'import runpod\ndef handler(job):\n    yield 1\nrunpod.serverless.start({"handler": handler})'
    assert run(write(text), {"n": 1})["output"] == []
    assert run(write(text), {"n": 1}, return_aggregate_stream=True)["output"] == [1]


def test_a_function_is_named_after_a_colon(write: Write) -> None:
    target = write("def first(job):\n    return 1\n\ndef second(job):\n    return 2\n")
    assert run(f"{target}:second", {"n": 1})["output"] == 2


def test_a_named_function_keeps_what_start_says_of_it_alone(write: Write) -> None:
    text = """
import runpod
def streams(job):
    yield 1
def other(job):
    yield 2
runpod.serverless.start({"handler": streams, "return_aggregate_stream": True})
"""
    target = write(text)
    assert load(f"{target}:streams").return_aggregate_stream
    assert not load(f"{target}:other").return_aggregate_stream


def test_a_named_function_leaves_a_guarded_start_alone(write: Write) -> None:
    target = write('def handler(job):\n    return 1\nif __name__ == "__main__":\n    raise RuntimeError\n')
    assert load(f"{target}:handler").handler({}) == 1


@pytest.mark.parametrize("function", ["", ":handler"])
def test_classes_of_a_file_can_be_annotated_and_pickled(write: Write, function: str) -> None:
    target = write("""
from __future__ import annotations
import dataclasses, pickle, sys, typing
@dataclasses.dataclass
class Prompt:
    text: str
    class Options:
        steps: int
class Later(typing.NamedTuple):
    prompt: Prompt
def handler(job):
    typing.get_type_hints(Later), typing.get_type_hints(Prompt.Options)
    return [pickle.loads(pickle.dumps(each)) == each for each in (Prompt("a"), Later(Prompt("b")), Prompt.Options)]
if __name__ == "__main__":
    import runpod
    runpod.serverless.start({"handler": handler})
""")
    main = sys.modules["__main__"]
    loaded = load(f"{target}{function}")
    assert loaded.handler({}) == [True, True, True]
    assert (sys.modules["__main__"] is main, "handler" in sys.modules) == (True, False)


def test_an_error_of_a_file_has_the_name_that_it_has_in_production(write: Write) -> None:
    target = write("""
class OutOfMemory(Exception): ...
def handler(job):
    raise OutOfMemory
import runpod
runpod.serverless.start({"handler": handler})
""")
    error = json.loads(run(target, {"n": 1})["error"])
    assert error["error_type"] == "<class '__main__.OutOfMemory'>"


@pytest.mark.parametrize(("answer", "expected"), [("2.5", 3), ("1e9", 1000), ("float('inf')", 1000)])
def test_a_modifier_may_answer_any_number(write: Write, answer: str, expected: int) -> None:
    """The official worker takes what there is; here each job that it may take has a place."""
    config = f"{{'handler': handler, 'concurrency_modifier': lambda current: {answer}}}"
    text = f"import runpod\nasync def handler(job): ...\nrunpod.serverless.start({config})"
    assert load(write(text)).concurrency == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("async def", 3), ("def", 1)], ids=["async", "a sync one runs one at a time"]
)
def test_the_concurrency_modifier_of_an_async_handler_counts(write: Write, kind: str, expected: int) -> None:
    target = write(f"""
import runpod
{kind} handler(job):
    return 1
runpod.serverless.start({{"handler": handler, "concurrency_modifier": lambda current: current + 2}})
""")
    with Emulator() as emulator:
        assert emulator.endpoint("e", target, workers=2, in_process=True).workers == 2 * expected


def test_progress_reaches_the_user(write: Write) -> None:
    target = write("""
import threading
import runpod
GO_ON = threading.Event()
def handler(job):
    runpod.serverless.progress_update(job, "half")
    assert GO_ON.wait(10)
    return "all"
runpod.serverless.start({"handler": handler})
""")
    with Emulator(clock=VirtualClock()) as emulator:
        handler = emulator.endpoint("e", target, in_process=True).handler
        assert handler is not None
        base_url = emulator.connection["base_url"] + "/e"
        with httpx.Client(transport=emulator.transport, base_url=base_url, headers={"authorization": "test"}) as client:
            job_id = client.post("/run", json={"input": {"n": 1}}).json()["id"]
            while "output" not in (state := client.get(f"/status/{job_id}").json()):
                pass
            handler.__globals__["GO_ON"].set()
            end = client.get(f"/status-sync/{job_id}").json()
    assert (state["status"], state["output"], end["output"]) == ("IN_PROGRESS", "half", "all")


def test_progress_of_a_job_that_does_not_run_is_not_sent(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    load(write(PLAIN))
    importlib.import_module("runpod").serverless.progress_update({"id": "x"}, 1)
    assert capsys.readouterr().err == "x | progress of a process that is no worker is not sent\n"


def test_a_file_sees_itself_as_a_program_and_its_neighbours(write: Write, tmp_path: Path) -> None:
    write("WORD = 'neighbour'", "near.py")
    argv, main = sys.argv, sys.modules["__main__"]
    target = write("""
import sys
import runpod
import near
SEEN = [__name__, __file__, sys.argv[:], sys.modules["__main__"].__dict__ is globals()]
def handler(job):
    import later
    return [near.WORD, later.WORD, *SEEN]
runpod.serverless.start({"handler": handler})
""")
    write("WORD = 'imported in a job'", "later.py")
    path = str(tmp_path / "handler.py")
    assert run(target, {"n": 1})["output"] == ["neighbour", "imported in a job", "__main__", path, [path], True]
    assert (sys.argv, sys.modules["__main__"]) == (argv, main)


# Reload.


def test_a_reload_takes_the_file_and_its_neighbours_again(write: Write) -> None:
    write("WORD = 'before'", "near.py")
    text = "import runpod, near\ndef handler(job):\n    return near.WORD\nrunpod.serverless.start({'handler': handler})"
    with Emulator(clock=VirtualClock()) as emulator:
        endpoint = emulator.endpoint("e", write(text), in_process=True)
        assert endpoint.file is not None
        assert {path.name for path in endpoint.file.stamps} == {"handler.py", "near.py"}
        with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
            url = emulator.connection["base_url"] + "/e/runsync"
            outputs = [client.post(url, json={"input": {"n": 1}}).json()["output"]]
            write("WORD = 'after that'", "near.py")
            endpoint.reload()
            outputs.append(client.post(url, json={"input": {"n": 1}}).json()["output"])
            write("def broken(:")
            with pytest.raises(HandlerFileError, match="SyntaxError"):
                endpoint.reload()
            outputs.append(client.post(url, json={"input": {"n": 1}}).json()["output"])
    assert outputs == ["before", "after that", "after that"]


# Modules of its own.


@pytest.mark.parametrize("when", ["at the top", "in a job"])
def test_two_files_have_modules_of_their_own(write: Write, when: str) -> None:
    texts = {
        "at the top": "import utils\nfrom deep.er import DEPTH\ndef handler(job):\n    return utils.NAME + DEPTH\n",
        "in a job": "def handler(job):\n    import utils, deep.er\n    return utils.NAME + deep.er.DEPTH\n",
    }
    targets: list[str] = []
    for name in "ab":
        write(f"NAME = {name!r}", f"{name}/utils.py")
        write("", f"{name}/deep/__init__.py")
        write("import utils\nfrom . import level\nDEPTH = utils.NAME + level.LEVEL", f"{name}/deep/er.py")
        write("LEVEL = '1'", f"{name}/deep/level.py")
        targets.append(write(f"{texts[when]}import runpod\nrunpod.serverless.{START}", f"{name}/handler.py"))
    with Emulator(clock=VirtualClock()) as emulator:
        for name, target in zip("ab", targets, strict=True):
            emulator.endpoint(name, target, in_process=True)
        with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
            base = emulator.connection["base_url"]
            answers = [client.post(f"{base}/{name}/runsync", json={"input": {"n": 1}}).json() for name in "ab"]
        assert [answer["output"] for answer in answers] == ["aa1", "bb1"]
        assert "utils" not in sys.modules
        assert not [folder for folder in sys.path if folder.startswith(str(targets[0][:-12]))]
    assert not [name for name in sys.modules if name.startswith("_runpod_worker_file")]


def test_a_module_of_its_own_goes_before_one_of_the_same_name(write: Write) -> None:
    write("NAME = 'mine'", "colorsys.py")
    write("", "runpod_namespace/x.txt")
    text = "import runpod, colorsys, json\ndef handler(job):\n    return [colorsys.NAME, json.__name__]\n"
    assert run(write(text + 'runpod.serverless.start({"handler": handler})'), {"n": 1})["output"] == ["mine", "json"]
    assert importlib.import_module("colorsys").rgb_to_hsv


def test_a_file_in_a_package_imports_from_it(write: Write) -> None:
    write("", "worker/__init__.py")
    write("NAME = 'relative'", "worker/utils.py")
    text = "from .utils import NAME\nimport worker.utils as same\ndef handler(job):\n    return [NAME, same.NAME]\n"
    target = write(f"{text}import runpod\nrunpod.serverless.{START}", "worker/handler.py")
    for each in (target, f"{target}:handler"):
        assert run(each, {"n": 1})["output"] == ["relative", "relative"]


def test_arguments_are_there_while_it_is_loaded(write: Write) -> None:
    text = "import runpod, sys\nGIVEN = sys.argv[1:]\ndef handler(job):\n    return GIVEN\n"
    target = write(text + 'runpod.serverless.start({"handler": handler})')
    assert run(target, {"n": 1}, arguments=["--model", "x"])["output"] == ["--model", "x"]


def test_refresh_worker_in_the_config_replaces_the_worker(write: Write) -> None:
    target = write('import runpod\nrunpod.serverless.start({"handler": lambda job: 1, "refresh_worker": True})')
    with Emulator(clock=VirtualClock()) as emulator:
        emulator.endpoint("e", target, in_process=True)
        with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
            url = emulator.connection["base_url"] + "/e/runsync"
            workers = {client.post(url, json={"input": {"n": n}}).json()["workerId"] for n in range(3)}
    assert len(workers) == 3


# What cannot be loaded.


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("x = 1", "handler.py", r"handler\.py: it never calls runpod\.serverless\.start\(\)$"),
        ("def handler(job): ...", "handler.py", r"name its function: handler\.py:handler$"),
        ("def other(job): ...", "handler.py:handler", "it has no function 'handler'"),
        ("handler = 1", "handler.py:handler", "it has no function 'handler'"),
        ("import runpod\nrunpod.serverless.start({})", "handler.py", "without a handler"),
        ("import runpod\nrunpod.serverless.start(None)", "handler.py", "without a handler"),
        (
            'import runpod\nasync def f(job): ...\nrunpod.serverless.start({"handler": f, "concurrency_modifier": 5})',
            "handler.py",
            r"handler\.py: its concurrency_modifier cannot be used: TypeError",
        ),
        (
            'import runpod\nasync def f(_): ...\nrunpod.serverless.start({"handler": f, "concurrency_modifier": exit})',
            "handler.py",
            r"handler\.py: its concurrency_modifier cannot be used: SystemExit",
        ),
        ("raise ValueError('boom')", "handler.py", "ValueError: boom"),
        ("raise SystemExit(1)", "handler.py", "it exited before"),
        ("def f(:", "handler.py", "SyntaxError"),
        ("import no_such_module", "handler.py", "No module named 'no_such_module'$"),
        ("", "missing.py", "no such file"),
        ("import runpod\nrunpod.create_pod()", "handler.py", r"runpod\.create_pod is not in the emulator's stand-in"),
        ("from runpod.serverless.utils import rp_warp", "handler.py", r"rp_warp.*pip install runpod"),
        ("import runpod.serverless.modules.rp_fastapi", "handler.py", r"rp_fastapi.*pip install runpod"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(write: Write, text: str, target: str, message: str) -> None:
    folder = write(text).removesuffix("handler.py")
    with pytest.raises(HandlerFileError, match=message) as raised:
        load(folder + target)
    assert str(raised.value).startswith(folder)


def test_start_outside_of_an_emulator_says_what_to_do(write: Write) -> None:
    load(write(PLAIN))
    with pytest.raises(RuntimeError, match="runpod-sdk emulate FILE"):
        importlib.import_module("runpod").serverless.start({})


# The stand-in.


def test_the_validator_has_the_official_texts(write: Write) -> None:
    load(write(PLAIN))
    validate = importlib.import_module("runpod.serverless.utils.rp_validator").validate
    positive: Callable[[int], bool] = lambda steps: steps > 0  # noqa: E731  as worker files write it
    schema: dict[str, Any] = {
        "prompt": {"type": str, "required": True},
        "steps": {"type": int, "required": False, "default": 20, "constraints": positive},
        "scale": {"type": float, "required": False, "default": 1.0},
    }
    assert validate({"prompt": "x", "scale": 2}, schema) == {
        "validated_input": {"prompt": "x", "steps": 20, "scale": 2.0}
    }
    # Of a value that is of its default's type the official one says nothing, whatever the constraints are.
    without_default = {**schema, "steps": {"type": int, "required": True, "constraints": positive}}
    assert validate({"steps": -1, "more": 1}, without_default) == {
        "errors": [
            "Unexpected input. more is not a valid input option.",
            "prompt is a required input.",
            "steps does not meet the constraints.",
        ]
    }
    assert validate({"a": "1"}, {"a": {"type": int, "required": True}}) == {
        "errors": [f"a should be {int} type, not {str}."]
    }
    assert validate({}, {"a": {}, "b": "{", "c": '{"type": "int", "required": false}'})["errors"] == [
        "Schema error, b is not a dictionary.",
        "Schema error, missing type for a.",
        "a is a required input.",
        "Schema error, missing type for b.",
        "b is a required input.",
        "Schema error, missing default value for c.",
    ]


def test_the_logger_writes_what_is_grave_enough(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    load(write(PLAIN))
    log = importlib.import_module("runpod").RunPodLogger()
    log.set_level("WARN")
    for name in ("trace", "debug", "info", "warn", "error"):
        getattr(log, name)("text", "job")
    assert capsys.readouterr().err == "WARN   | job | text\nERROR  | job | text\n"
    with pytest.raises(ValueError, match="Invalid debug level"):
        log.set_level("LOUD")


def test_uploads_are_copied_beside_the_worker(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(write(PLAIN))
    monkeypatch.chdir(tmp_path)
    image = write("pixels", "image.png")
    utils = importlib.import_module("runpod.serverless.utils")
    results: list[Any] = [None]
    kept = utils.rp_upload.upload_image("job", image, 0, results)
    assert (tmp_path / kept).read_text() == "pixels"
    assert kept.startswith("simulated_uploaded")
    assert results == [kept]
    assert len(utils.rp_upload.files("job", [image, image])) == 2
    assert utils.upload_file_to_bucket("a.png", image) == "local_upload/a.png"
    assert (tmp_path / utils.upload_in_memory_object("b", b"bytes")).read_bytes() == b"bytes"
    with pytest.raises(KeyError, match="accessId"):  # as the official package has it
        utils.upload_in_memory_object("b", b"bytes", {"endpointUrl": "https://example.com"})
    (tmp_path / "output.zip").write_text("x")
    utils.rp_cleanup.clean(["local_upload"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["handler.py", "image.png", "simulated_uploaded"]


def test_a_fitness_check_is_left_alone(write: Write) -> None:
    text = "import runpod\n@runpod.serverless.register_fitness_check\ndef check():\n    raise RuntimeError\n"
    assert run(write(text + PLAIN), {"n": 1})["status"] == "COMPLETED"


# The official package, where it is installed: here, one that behaves like it.

OFFICIAL = """
from .modules.rp_progress import progress_update
def start(config):
    raise RuntimeError("the real start: it would never return")
"""


def test_in_an_installed_package_only_start_and_progress_are_replaced(write: Write, tmp_path: Path) -> None:
    write("from . import serverless", "site/runpod/__init__.py")
    write(OFFICIAL, "site/runpod/serverless/__init__.py")
    write("", "site/runpod/serverless/modules/__init__.py")
    write(
        "def progress_update(job, progress):\n    job['told'] = progress",
        "site/runpod/serverless/modules/rp_progress.py",
    )
    sys.path.insert(0, str(tmp_path / "site"))
    for _ in range(2):  # not imported yet; imported and replaced already
        assert load(write(PLAIN)).handler({"input": 1}) == {"echo": 1}
    package = importlib.import_module("runpod")
    assert package.__file__ == str(tmp_path / "site" / "runpod" / "__init__.py")
    with pytest.raises(RuntimeError, match="the real start"):
        package.serverless.start({})
    job: dict[str, Any] = {}
    package.serverless.progress_update(job, 1)
    assert job == {"told": 1}
    assert package.serverless.modules.rp_progress.progress_update is package.serverless.progress_update


def test_loading_imports_nothing_heavy(write: Write) -> None:
    script = f"""
import sys
from runpod_sdk.emulator import Emulator
Emulator().endpoint("e", {write(PLAIN)!r})
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603  ours
    assert not {"httpx", "attrs", "rich", "aiohttp", "requests", "boto3"} & set(done.stdout.split())
