"""Ends worker processes when the emulator's own process is killed: a shell that waits for that.

It is told of each group of processes, and kills those that are left when its standard input ends, however that comes,
and what has left them.
"""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress

from runpod_sdk.emulator._workers._stragglers import VARIABLE, new_family

_SCRIPT = """
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
  esac
done
[ "$groups" = ' ' ] && exit
for group in $groups; do kill -9 -"$group"; done
for look in 1 2 3 4 5; do
  for file in $(grep -alsF "$1" /proc/[0-9]*/environ); do pid=${file#/proc/}; kill -9 "${pid%/environ}"; done
done
"""


class Guard:
    """Ends groups of processes with this one; started with the first group.

    Attributes:
        family: what the marks of all processes begin with.
    """

    def __init__(self) -> None:
        self.family = new_family()
        self._shell: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def add(self, group: int) -> None:
        """End this group of processes with this one."""
        with self._lock:
            if self._shell is None:
                self._shell = subprocess.Popen(  # noqa: S603  ours
                    ["/bin/sh", "-c", _SCRIPT, "sh", f"{VARIABLE}={self.family}."],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            self._tell(f"+ {group}\n")

    def remove(self, group: int) -> None:
        """Leave this group alone: it is gone, and its number may be another's."""
        with self._lock:
            self._tell(f"- {group}\n")

    def close(self) -> None:
        """End what is left of the groups, and the guard."""
        with self._lock:
            shell, self._shell = self._shell, None
        if shell is not None and shell.stdin is not None:
            with suppress(OSError):
                shell.stdin.close()
            shell.wait()

    def _tell(self, line: str) -> None:
        if self._shell is not None and self._shell.stdin is not None:
            with suppress(OSError):  # somebody has killed it
                self._shell.stdin.write(line.encode())
                self._shell.stdin.flush()
