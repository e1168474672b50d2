"""How long the service may be silent before a wait, a stream or a bulk run gives up.

Looking at a job costs nothing, so it goes on while there is hope. What came of a request of a job that is known:

| what came | sign of life | what follows | ends it, without a deadline |
|---|---|---|---|
| 2xx that can be read | yes | it goes on from there | - |
| 2xx that cannot be read | no | asked again | after `PollPolicy.outage`; a wait of a job never seen: at once |
| 404 of a young job of ours | yes | asked again | when the job is no longer young (`_life.py`) |
| any other refusal | yes | raised | at once |
| 429 | for a time | asked again | after `PollPolicy.rate_limited` without an answer |
| 521, 523, 525, 526, 530 | no: an edge says that the origin is down | asked again | after `PollPolicy.outage` |
| 408, 5xx, no answer | no | a look is repeated; a read of a stream is lost | after `PollPolicy.outage` |
| never sent | no | asked again | after `PollPolicy.outage` |

A held look (/status-sync) is never repeated as it is: a plain one (/status) follows, whatever came of it, and its own
end is never the end of a wait. A call with a deadline ends there at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Answer, Outcome

if TYPE_CHECKING:
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._policies import PollPolicy


@dataclass(slots=True)
class Pulse:
    """What one call has heard of the service: since when no answer came, and since when no sign of life."""

    poll: PollPolicy
    unanswered_since: float | None = None
    silent_since: float | None = None

    def beat(self) -> None:
        """Note an answer that could be read."""
        self.unanswered_since = self.silent_since = None

    def miss(self, outcome: Outcome, result: Result, due: float, now: float) -> bool:
        """Note what else came of a request; return whether it is time to give up.

        `due` is when it was sent, or the end of its hold: before that, silence means nothing.
        """
        if outcome is Outcome.REFUSED:
            self.beat()
            return False
        if self.unanswered_since is None:
            self.unanswered_since = due
        if isinstance(result, Answer) and result.status == 429:
            self.silent_since = None
            return now - self.unanswered_since >= self.poll.rate_limited
        return self.is_silent(due, now)

    def is_silent(self, due: float, now: float) -> bool:
        """Note a request that brought no sign of life; return whether it is time to give up."""
        if self.silent_since is None:
            self.silent_since = due
        return now - self.silent_since >= self.poll.outage
