"""Plant each bug of this folder alone, and require that its named test fails.

    python tests/mutants/run.py             all patches
    python tests/mutants/run.py status      those whose name contains "status"
    python tests/mutants/run.py --part 1/2  every other one; 2/2: the others

README.md tells what a patch looks like. This file decides what counts as killed: with the bug planted the named
check ends with exit code 1, that is, it ran and failed. A check that cannot be collected, crashes or hangs proves
nothing about the bug; nor does one that fails on the clean tree, so all of them run there first.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from xml.etree import ElementTree as ET

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Seconds for one check: ten times what the slowest takes; beyond it a planted bug has made it hang.
CHECK_TIMEOUT = 300
PYTEST = ("python", "-m", "pytest", "-p", "no:cacheprovider")
# Where a copy's packages are; put before everything that is installed.
IMPORT_ROOTS = (".", "generated")


class BadPatchError(Exception):
    """A patch that cannot be judged: its header or its diff is not usable."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One patch: the bug it plants and the checks that must each fail for it."""

    path: Path
    bug: str
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant."""

    mutant: Mutant
    killed: bool
    reason: str
    seconds: float


def read_mutant(path: Path) -> Mutant:
    """Read the header of a patch: the `#` lines before the diff."""
    facts: dict[str, list[str]] = {"bug": [], "killed-by": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        key, colon, value = line.lstrip("# ").partition(":")
        if not colon or key not in facts or not value.strip():
            raise BadPatchError(f"{path.name}: header line {line!r} is neither '# bug: …' nor '# killed-by: …'")
        facts[key].append(value.strip())
    if len(facts["bug"]) != 1 or not facts["killed-by"]:
        raise BadPatchError(f"{path.name}: needs one '# bug:' line and at least one '# killed-by:' line")
    return Mutant(path=path, bug=facts["bug"][0], checks=tuple(facts["killed-by"]))


def is_pytest_node(check: str) -> bool:
    """Return whether a check names a test; everything else is a command."""
    return check.startswith("tests/")


def tree_files() -> list[str]:
    """Return the files of the working tree, as git sees them: tracked or new, not ignored, not deleted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def copy_tree(files: list[str], target: Path) -> None:
    """Copy the working tree into `target`."""
    for name in files:
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, destination)


def plant(mutant: Mutant, tree: Path) -> None:
    """Apply the patch to a copy; raise BadPatchError if it no longer fits."""
    command = ["git", "apply", "--whitespace=nowarn", str(mutant.path)]
    # A copy is no repository: without this, git would look for one around it and skip every file.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    applied = subprocess.run(command, cwd=tree, env=environment, check=False, capture_output=True, text=True)
    if applied.returncode != 0:
        raise BadPatchError(f"does not apply any more: {applied.stderr.strip().splitlines()[0]}")
    for name in changed_by(mutant):
        forget_code(tree / name)


def run(command: tuple[str, ...], tree: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy with the copy's packages, not the installed ones; raise TimeoutExpired if it hangs."""
    if command[0] == "python":
        command = (sys.executable, *command[1:])
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(str(tree / root) for root in IMPORT_ROOTS),
    }
    return subprocess.run(
        command,
        cwd=tree,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CHECK_TIMEOUT,
    )


def survival(check: str, tree: Path) -> str | None:
    """Run a check on a tree with a bug; return why the bug is not killed, or None if it is."""
    report = tree / "junit.xml"
    command = (*PYTEST, f"--junitxml={report}", check) if is_pytest_node(check) else tuple(shlex.split(check))
    try:
        done = run(command, tree)
    except subprocess.TimeoutExpired:
        return f"{check}: hangs, which is no verdict"
    if done.returncode == 0:
        return f"{check}: SURVIVED, the check passes with the bug planted"
    if done.returncode != 1:
        return f"{check}: exit code {done.returncode} is no verdict\n{done.stdout}"
    if is_pytest_node(check):
        suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314  written by our own pytest
        if not any(int(suite.get("failures", 0)) for suite in suites):
            return f"{check}: errors outside the test are no verdict\n{done.stdout}"
    return None


def restore(mutant: Mutant, tree: Path) -> None:
    """Take the bug out again, and what was compiled of it: its time and size may be those of the file without it."""
    for name in changed_by(mutant):
        shutil.copy2(ROOT / name, tree / name)
        forget_code(tree / name)


def changed_by(mutant: Mutant) -> list[str]:
    """Return the files that a patch changes."""
    return re.findall(r"^\+\+\+ b/(.+)$", mutant.path.read_text(encoding="utf-8"), re.MULTILINE)


def forget_code(source: Path) -> None:
    """Remove what was compiled of a file."""
    for code in source.parent.glob(f"__pycache__/{source.stem}.*"):
        code.unlink()


def judge(mutant: Mutant, trees: Queue[Path]) -> Verdict:
    """Plant one bug in a copy that nobody else uses meanwhile, and run its checks."""
    tree = trees.get()
    began = time.monotonic()
    reasons = []
    try:
        plant(mutant, tree)
        reasons = [reason for check in mutant.checks if (reason := survival(check, tree)) is not None]
    except BadPatchError as error:
        reasons = [str(error)]
    finally:
        restore(mutant, tree)
        trees.put(tree)
    return Verdict(mutant, not reasons, "\n".join(reasons), time.monotonic() - began)


def complaint_on_clean_tree(mutants: list[Mutant], tree: Path) -> str | None:
    """Run every named check without any bug; return the output of one that does not pass, or None."""
    imported = "import runpod_sdk, runpod_queue_client; print(runpod_sdk.__file__, runpod_queue_client.__file__)"
    probe = run(("python", "-c", imported), tree)
    if probe.stdout.count(str(tree.resolve())) != len(IMPORT_ROOTS):
        return f"the checks would not import the copied packages: {probe.stdout}"
    checks = list(dict.fromkeys(check for mutant in mutants for check in mutant.checks))
    nodes = [check for check in checks if is_pytest_node(check)]
    commands = [tuple(shlex.split(check)) for check in checks if not is_pytest_node(check)]
    if nodes:
        commands.insert(0, (*PYTEST, f"-n{os.cpu_count()}", *nodes))
    for command in commands:
        done = run(command, tree)
        if done.returncode != 0:
            return f"{shlex.join(command)}: exit code {done.returncode} without any bug\n{done.stdout}"
    return None


def chosen(arguments: list[str]) -> list[Path]:
    """Return the patches that a command line names."""
    words = list(arguments)
    part, of = 1, 1
    if "--part" in words:
        at = words.index("--part")
        part, of = map(int, words[at + 1].split("/"))
        del words[at : at + 2]
    named = [path for path in sorted(HERE.glob("*.patch")) if all(word in path.stem for word in words)]
    return named[part - 1 :: of]


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit code: 0 if each chosen mutant is killed."""
    paths = chosen(arguments)
    if not paths:
        print(f"mutants: no patch in {HERE.relative_to(ROOT)} matches {arguments}")
        return 2
    try:
        mutants = [read_mutant(path) for path in paths]
    except BadPatchError as error:
        print(f"mutants: {error}")
        return 2

    files = tree_files()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        scratch = Path(folder).resolve()
        clean = scratch / "_clean"
        copy_tree(files, clean)
        if complaint := complaint_on_clean_tree(mutants, clean):
            print(f"mutants: {complaint}")
            return 2
        # As many copies as are used at once: what one has compiled the next mutant in it need not compile again.
        trees: Queue[Path] = Queue()
        for number in range(os.cpu_count() or 1):
            trees.put(scratch / f"{number}")
            copy_tree(files, scratch / f"{number}")
        with ThreadPoolExecutor(trees.qsize()) as pool:
            pending = [pool.submit(judge, mutant, trees) for mutant in mutants]
        verdicts = [future.result() for future in pending]

    width = max(len(path.stem) for path in paths)
    for verdict in verdicts:
        print(f"{verdict.mutant.path.stem:<{width}}  {verdict.seconds:5.1f} s  {verdict.mutant.bug}")
        for check in verdict.mutant.checks:
            print(f"{'':<{width}}  {'killed by' if verdict.killed else 'ALIVE   '} {check}")
    failed = [verdict for verdict in verdicts if not verdict.killed]
    for verdict in failed:
        print(f"\n{verdict.mutant.path.name}: {verdict.reason}")
    print(f"\n{len(verdicts) - len(failed)} of {len(verdicts)} mutants killed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
