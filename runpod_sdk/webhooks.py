"""Read the webhook that the service POSTs when a job ends, and check that it is genuine.

**It is not signed.** Anyone who learns the URL can post anything there. Two measures help, best taken together:

- A token of your own in the URL: `run(…, webhook=f"https://me.example/runpod?token={token}")`, compared by `is_token`.
  It keeps strangers out, for as long as the URL stays out of logs.
- Asking again before anything depends on it: `client.endpoint(endpoint_id).job(state.id).state()`. Only that is the
  service's own word. Ask within 30 minutes of the end of the job; later the service has forgotten it.

Answer with 200, and soon: after anything else the service tries twice more, 10 seconds apart. The same end may be told
more than once, so do what follows from it once for each `state.id`. Nothing is known of a webhook for CANCELLED.
(docs: send-requests#webhook-notifications; the body is that of /status.)
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ._flows import _answers
from ._telemetry import log_misfit
from ._telemetry._context import trace_of, with_trace

if TYPE_CHECKING:
    from ._values._states import JobState

__all__ = ["is_token", "parse", "trace_of", "with_trace"]


def parse(body: bytes | bytearray | str | Mapping[str, Any], *, endpoint_id: str = "") -> JobState:
    """Return what the body of a webhook says of a job. It has not been checked whether that is true: see the module.

    Args:
        body: as it came, or as a framework has decoded it.
        endpoint_id: what `state.endpoint_id` is to be: the body does not name it. Put it into the URL if you need it.

    Raises:
        ValueError: the body, whatever it is, does not describe a job: it has no id, or no status. Answer with 400. Any
            other field that is not what it should be is logged, and taken as not sent.

    Examples:
        >>> parse(b'{"id": "j1-u1", "status": "COMPLETED", "output": 42, "executionTime": 1500}').output
        42
    """
    try:
        # A mapping goes through JSON too, so that it holds nothing but what can have come over the wire.
        text = json.dumps(dict(body)) if isinstance(body, Mapping) else body
        data: Any = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the body of a webhook is not JSON ({type(error).__name__})") from None
    if not isinstance(data, dict):
        raise ValueError("the body of a webhook is not a JSON object")  # noqa: TRY004  what came in, no argument
    try:
        return _answers.state_of(cast("dict[str, Any]", data), endpoint_id, log_misfit)
    except (_answers.Unusable, RecursionError) as problem:
        raise ValueError(f"the body of a webhook does not describe a job: {problem}") from None


def is_token(given: str | None, expected: str) -> bool:
    """Compare the token of a request's URL with yours, in a time that does not tell how much of it is right.

    Args:
        given: what the request brought, None if nothing.
        expected: your token, such as `secrets.token_urlsafe()` makes.

    Raises:
        ValueError: `expected` is empty, and would let in everybody.

    Examples:
        >>> is_token("guess", "IzqrXm8t"), is_token(None, "IzqrXm8t"), is_token("IzqrXm8t", "IzqrXm8t")
        (False, False, True)
    """
    if not expected:
        raise ValueError("expected is empty: a token is needed that nobody can guess")
    return hmac.compare_digest(
        (given or "").encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
