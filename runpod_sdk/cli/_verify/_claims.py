"""A check: one claim about the service, how well it is known, and the code that tests it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ._raw_endpoint import RawAnswer, UnclearError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._raw_endpoint import RawEndpoint

Mark = Literal["documented", "live", "official source", "reported", "assumed"]
Verdict = Literal["same", "differs", "unclear"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check.

    Attributes:
        verdict: whether the claim holds.
        seen: what was seen, without key, ids and input.
    """

    verdict: Verdict
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim, and how to look whether it holds.

    Attributes:
        name: for --only and for the report.
        claim: a sentence about the service.
        source: the spec's own mark for it.
        test: makes the claim true or false, with what was seen.
        jobs: the most jobs that it submits.
        slow: it waits for some deadline of the service.
        needs_generator: it needs a worker whose handler is a generator.
    """

    name: str
    claim: str
    source: Mark
    test: Callable[[RawEndpoint], tuple[bool, RawAnswer | str]]
    jobs: int = 0
    slow: bool = False
    needs_generator: bool = False

    def run(self, endpoint: RawEndpoint) -> Finding:
        """Look whether the claim holds, and leave no job behind."""
        if self.needs_generator and endpoint.generator_id is None:
            return Finding(
                "unclear", "needs a mock worker that was started with --generator: pass --generator ENDPOINT"
            )
        try:
            holds, seen = self.test(endpoint)
        except UnclearError as error:
            return Finding("unclear", str(error))
        finally:
            endpoint.clear_away()
        return Finding("same" if holds else "differs", str(seen))


def claim(
    name: str, sentence: str, source: Mark, *, jobs: int = 0, slow: bool = False, needs_generator: bool = False
) -> Callable[[Callable[[RawEndpoint], tuple[bool, RawAnswer | str]]], Check]:
    """Make a check of the function below."""

    def made(test: Callable[[RawEndpoint], tuple[bool, RawAnswer | str]]) -> Check:
        return Check(
            name=name,
            claim=sentence,
            source=source,
            test=test,
            jobs=jobs,
            slow=slow,
            needs_generator=needs_generator,
        )

    return made
