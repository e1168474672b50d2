"""What all tests share."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from httpx._transports import default
from hypothesis import settings

from tests.compiling import compile_packages, rewrite_share

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from _pytest.terminal import TerminalReporter

# Tests speak with this machine alone. Whose certificates it trusts, each client would read, in 25 ms.
for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(name, None)

# What httpx makes of its own list of certificates takes as long: once here, where nothing else is asked for.
make_context = httpx.create_ssl_context
shared_context = cache(make_context)


def context_of(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:  # noqa: FBT001, FBT002  httpx's
    """Return the context that all share, or one for what a client asks for, or the environment."""
    if verify is True and cert is None and not {"SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"} & set(os.environ):
        return shared_context()
    return make_context(verify=verify, cert=cert, trust_env=trust_env)


setattr(default, "create_ssl_context", context_of)  # noqa: B010  checkers do not know the name

ROOT = Path(__file__).parent.parent
OFFICIAL = ROOT / "tests" / "official"
SCHEMATHESIS = ROOT / "tests" / "contract" / "test_schemathesis.py"
ALL_SLOW = re.compile(r"^pytestmark = .*\bmark\.slow\b", re.MULTILINE)

# The same examples in every run, in no fixed time: machines that run tests are sometimes busy. Few where all tests run.
settings.register_profile("all", derandomize=True, deadline=None)
settings.register_profile("few", settings.get_profile("all"), max_examples=20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="also run the tests that are marked slow")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples; share what is compiled; load schemathesis, which takes a second, only where it is needed."""
    settings.load_profile("all" if is_whole(config) else "few")
    process: dict[str, Any] | None = getattr(config, "workerinput", None)  # of xdist
    if process is None:
        compile_packages()
    elif not config.option.file_or_dir:
        rewrite_share(config, int(process["workerid"].removeprefix("gw")), process["workercount"])
    chosen = [Path(config.invocation_params.dir, str(word).split("::")[0]) for word in config.option.file_or_dir]
    if any(path == SCHEMATHESIS or path in SCHEMATHESIS.parents for path in chosen) or config.getoption("--whole"):
        config.pluginmanager.import_plugin("schemathesis.pytest.plugin")


def is_whole(config: pytest.Config) -> bool:
    """Whether the slow tests run: all of them, or those that are chosen by their paths."""
    return bool(config.getoption("--whole") or config.option.file_or_dir)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files whose tests are all slow, and what only `nox -s official` has the software for."""
    if config.option.file_or_dir:
        return None
    if collection_path == OFFICIAL:
        return True
    is_module = collection_path.suffix == ".py" and not config.getoption("--whole")
    return True if is_module and ALL_SLOW.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tail to `nox -s tests`; a test that is chosen by its path runs in any case."""
    leave_most_of_families(items)
    if is_whole(config):
        return
    slow = [item for item in items if item.get_closest_marker("slow") is not None]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item.get_closest_marker("slow") is None]


def leave_most_of_families(items: list[pytest.Item]) -> None:
    """Call slow what is not the first, or every n-th after it, of the cases of a test that says `one_in(n)`."""
    cases: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("one_in")
        if mark is not None:
            family = item.nodeid.partition("[")[0]
            if cases[family] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            cases[family] += 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collection away from what is collected here: it is many objects, and stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Keep what was measured so far: a process of xdist that takes long to end is killed, and its figures with it."""
    coverage = sys.modules.get("coverage")
    measured = coverage and coverage.Coverage.current()
    if measured:
        measured.save()


def reason_of(skip: str) -> str:
    """Return why a test was left out, in the same words whatever found it out."""
    missing = re.search(r"could not import '([^']+)'|not installed: (.+)", skip)
    return f"{missing[1] or missing[2]} is not installed" if missing else skip.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say in one line what did not run here, by reason."""
    reasons = Counter(reason_of(str(report.longrepr[2])) for report in terminalreporter.getreports("skipped"))
    if reasons:
        said = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"not run here: {said}")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run all tests in some processes, but chosen ones in this process: sooner, and what they print can be seen.

    Three for two cores: many tests wait for sockets and processes.
    """
    is_chosen = bool(config.option.file_or_dir) or config.option.capture == "no"
    return 0 if is_chosen else (os.cpu_count() or 1) * 3 // 2


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Forget the package `runpod` that a test's worker file was given: the next test may bring one of its own."""
    if "runpod" in sys.modules:
        for name in [name for name in sys.modules if name.partition(".")[0] == "runpod"]:
            del sys.modules[name]
