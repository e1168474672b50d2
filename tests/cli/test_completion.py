"""The command `completion`: what each shell offers, asked of the shells themselves where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import cli
from runpod_sdk.cli._completion import commands
from runpod_sdk.cli._completion._scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Offered = Callable[[str], list[str]]

# Prints what bash would offer for the command line in $1: split at blanks, as readline does it for plain words.
_ASK_BASH = """
source "$0"
IFS=' ' read -r -a COMP_WORDS <<< "$1"
[[ $1 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_runpod_sdk
printf '%s\\n' "${COMPREPLY[@]}"
"""
_ASK_FISH = "source $argv[1]; complete -C $argv[2]"


@pytest.fixture(params=["bash", "fish"])
def offered(request: pytest.FixtureRequest, tmp_path: Path) -> Offered:
    """Return a function from a command line to what a shell offers for its last word, in a folder with two files."""
    shell: str = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell](commands()))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "in a b.jsonl").touch()
    (folder / "other.jsonl").touch()

    def ask(line: str) -> list[str]:
        options = ["--norc", "-c", _ASK_BASH] if shell == "bash" else ["--no-config", "-c", _ASK_FISH]
        words = [shell, *options, str(script), line]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603  ours
        assert done.stderr == ""
        return sorted(word.partition("\t")[0] for word in done.stdout.splitlines() if word)

    return ask


def test_commands_are_offered(offered: Offered) -> None:
    assert offered("runpod-sdk ") == sorted(cli.summaries())
    assert offered("runpod-sdk st") == ["status", "stream"]


def test_options_are_those_of_the_command(offered: Offered) -> None:
    assert offered("runpod-sdk run abc --w") == ["--wait", "--webhook"]
    assert offered("runpod-sdk map abc --ret") == ["--retries", "--retry-failed"]


def test_choices_follow_their_option(offered: Offered) -> None:
    assert offered("runpod-sdk run abc --on-abandon ") == ["cancel", "detach"]
    assert offered("runpod-sdk completion ") == ["bash", "fish", "zsh"]


def test_files_are_offered_where_a_file_is_meant(offered: Offered) -> None:
    assert offered("runpod-sdk map abc in") == ["in a b.jsonl"]
    assert offered("runpod-sdk run abc --file ot") == ["other.jsonl"]


def test_files_are_not_offered_elsewhere(offered: Offered) -> None:
    assert offered("runpod-sdk run abc ot") == []
    assert offered("runpod-sdk run abc --timeout ot") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in cli.summaries():
        assert name in script
    if shutil.which(shell) is not None:
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, "")


# zsh completes in its line editor alone, so keys are pressed in a terminal of its own; $1 is the script.
_ASK_ZSH = r"""
zmodload zsh/zpty
zpty typed 'zsh -f -i'
zpty -w typed "unsetopt prompt_sp prompt_cr; PS1='<prompt>'; runpod-sdk() { print -r -- GOT \$* }"
zpty -w typed "autoload -U compinit; compinit -u -D; source $1; print rea''dy"
until [[ $line == *ready* ]]; do zpty -r typed line; done
zpty -r typed line '*<prompt>*'
zpty -w -n typed $'runpod-sdk map abc --outp\tx --conc\t8\n'
until [[ $line == *GOT* ]]; do zpty -r typed line; done
print -r -- $line
zpty -d typed
"""


def test_zsh_completes_options_at_the_press_of_a_key(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = tmp_path / "script"
    script.write_text(SCRIPTS["zsh"](commands()))
    words = ["zsh", "-f", "-c", _ASK_ZSH, "ask", str(script)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  our own words
    assert done.stdout.strip() == "GOT map abc --output x --concurrency 8"
