"""Results that the caller has not taken yet: held in memory, while the service's retention runs out."""

from __future__ import annotations

from runpod_sdk._values._words import counted

# How long the service keeps the result of `run`, seconds. docs: operation-reference#run, 30 minutes
KEPT_FOR = 1800.0
# A warning comes so long before that, seconds; and so often is looked, real seconds. Ours.
BEFORE, LOOK_EVERY = 300.0, 30.0


class Waiting:
    """Says once when results have been waiting for so long that nobody else will have them soon."""

    def __init__(self) -> None:
        self._is_said = False

    def warning(self, endpoint_id: str, since: float | None, now: float, count: int) -> str | None:
        """Return what is to be said, if it is.

        Args:
            endpoint_id: where the jobs ran.
            since: when the oldest result came that is still here; None if there is none.
            now: by the same clock.
            count: how many results are here.
        """
        if self._is_said or since is None or now - since < KEPT_FOR - BEFORE:
            return None
        self._is_said = True
        return (
            f'map on endpoint "{endpoint_id}": {counted(count, "result")} not taken yet, the oldest for '
            f"{(now - since) / 60:.0f} min. The service forgets a result after {KEPT_FOR / 60:.0f} min; then this "
            "process alone has it, and it is lost if the process ends. A journal keeps results on the disk"
        )
