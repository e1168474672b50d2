"""The completion script for each shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from . import Command, Option, Word


# Each of these leaves COMPREPLY, the words to choose from.
_BASH = """\
_runpod_sdk() {
    local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} options= words= files=
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        words=$'%(commands)s'
        [[ $current == -* ]] && words=$'--help\\n--version'
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        return
    fi
    case ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD-1]} in
%(values)s
    esac
    if [[ -z $words$files ]]; then
        case ${COMP_WORDS[1]} in
%(rest)s
        esac
        [[ $current == -* ]] && words=$options files=
    fi
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$current"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    fi
}
complete -F _runpod_sdk runpod-sdk
"""

_ZSH = """\
#compdef runpod-sdk
_runpod_sdk() {
    local -a commands
    commands=(
%(commands)s
    )
    if (( CURRENT == 2 )); then
        _describe -t commands command commands
        return
    fi
    local command=${words[2]}
    shift words
    (( CURRENT-- ))
    case $command in
%(arguments)s
    esac
}
if [[ ${funcstack[1]} == _runpod_sdk ]]; then
    _runpod_sdk "$@"
else
    compdef _runpod_sdk runpod-sdk
fi
"""


def bash(commands: Sequence[Command]) -> str:
    """Return the script for bash: 3.2, as macOS has it, or newer."""
    values: list[str] = []
    rest: list[str] = []
    for command in commands:
        for option in command.options:
            if option.value is not None:
                pattern = "|".join(f"{command.name}:{name}" for name in option.names)
                values.append(f"        {pattern}) {_bash_word(option.value) or 'return'} ;;")
        names = "\\n".join(name for option in command.options for name in option.names)
        words = [_bash_word(word) for word in command.words]
        offered = "; ".join([f"options=$'{names}'", *filter(None, words)])
        rest.append(f"            {command.name}) {offered} ;;")
    return _BASH % {
        "commands": "\\n".join(command.name for command in commands),
        "values": "\n".join(values),
        "rest": "\n".join(rest),
    }


def _bash_word(word: Word) -> str:
    if word.choices:
        return "words=$'" + "\\n".join(word.choices) + "'"
    return "files=1" if word.is_file else ""


def zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh: to be evaluated after compinit, or as a file _runpod-sdk on its path."""
    described = (f"        {_quoted(command.name + ':' + command.summary)}" for command in commands)
    arguments: list[str] = []
    for command in commands:
        specs = [spec for option in command.options for spec in _zsh_option(option)]
        specs += [_zsh_word("*:", word) for word in command.words[-1:]]
        specs[-1:-1] = [_zsh_word(f"{at}:", word) for at, word in enumerate(command.words[:-1], 1)]
        lines = " \\\n            ".join(map(_quoted, specs))
        arguments.append(f"        {command.name})\n            _arguments {lines}\n            ;;")
    return _ZSH % {"commands": "\n".join(described), "arguments": "\n".join(arguments)}


def _zsh_option(option: Option) -> list[str]:
    summary = re.sub(r"([\[\]:])", r"\\\1", option.summary)
    value = "" if option.value is None else _zsh_word(":", option.value)
    return [f"{name}[{summary}]{value}" for name in option.names]


def _zsh_word(place: str, word: Word) -> str:
    if word.choices:
        return f"{place} :({' '.join(word.choices)})"
    return f"{place} :_files" if word.is_file else f"{place} : "


def fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    lines = ["complete -c runpod-sdk -f"]
    for command in commands:
        described = f"-a {command.name} -d {_fish_quoted(command.summary)}"
        lines.append(f"complete -c runpod-sdk -n __fish_use_subcommand {described}")
        seen = f"complete -c runpod-sdk -n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            lines.append(f"{seen} {names}{_fish_value(option.value)} -d {_fish_quoted(option.summary)}")
        for word in command.words:
            if word.choices:
                lines.append(f"{seen} -a '{' '.join(word.choices)}'")
            elif word.is_file:
                lines.append(f"{seen} -F")
    return "\n".join(lines) + "\n"


def _fish_value(word: Word | None) -> str:
    if word is None:
        return ""
    if word.choices:
        return f" -x -a '{' '.join(word.choices)}'"
    return " -r -F" if word.is_file else " -x"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: dict[str, Callable[[Sequence[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
