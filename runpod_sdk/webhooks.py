"""Read the webhook that the service POSTs when a job ends, and check that it is genuine.

**It is not signed.** Anyone who learns the URL can post anything there. Two measures help, best taken together:

- A token of your own in the URL: `run(…, webhook=f"https://me.example/runpod?token={token}")`, compared by `is_token`.
  It keeps strangers out as long as the URL does not appear in logs.
- Asking the service before you rely on it: `client.endpoint(endpoint_id).job(state.id).state()`. Only that answer
  comes from the service itself. Ask within 30 minutes of the end of the job; after that the service has deleted it.

Answer with 200, and soon: after anything else the service tries twice more, 10 seconds apart. The same end may be
reported more than once, so act once per `state.id`. Whether CANCELLED jobs have a webhook is not known.
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
    """Return the job state in the body of a webhook. It is not verified to be genuine: see the module's docstring.

    Args:
        body: as received, or already decoded by a framework.
        endpoint_id: becomes `state.endpoint_id`, as the body does not name it. Put it into the URL if you need it.

    Raises:
        ValueError: the body does not describe a job: it has no id or no status. Answer with 400. Any other field of
            a wrong type is logged and treated as missing.

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
    """Compare the token of a request's URL with yours, in constant time.

    Args:
        given: the token of the request, None if it has none.
        expected: your token, such as `secrets.token_urlsafe()` makes.

    Raises:
        ValueError: `expected` is empty, which would let everyone in.

    Examples:
        >>> is_token("guess", "IzqrXm8t"), is_token(None, "IzqrXm8t"), is_token("IzqrXm8t", "IzqrXm8t")
        (False, False, True)
    """
    if not expected:
        raise ValueError("expected is empty: a token is needed that nobody can guess")
    return hmac.compare_digest(
        (given or "").encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
