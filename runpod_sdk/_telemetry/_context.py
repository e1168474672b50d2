"""Carries trace context in a webhook's URL, the only thing the service passes on.

W3C Trace Context: https://www.w3.org/TR/trace-context/. Its fields become parameters of the query, under their names.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_FIELDS = frozenset({"traceparent", "tracestate"})


def with_trace(url: str) -> str:
    """Return the URL of a webhook with the context of the current span in its query, for its receiver.

    As it is, where there is no such span, or where the program does not use OpenTelemetry.

    Args:
        url: as `run` takes it: `endpoint.run(input, webhook=webhooks.with_trace(url))`. For a bulk run call it in
            `input_options`: there the span of the run is current.
    """
    if "opentelemetry.trace" not in sys.modules:
        return url
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    if not carrier:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in _FIELDS]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(carrier)])))


def trace_of(url: str) -> Any:
    """Return the context that the URL of a webhook's request carries; None where it carries none that can be read.

    Args:
        url: of the request, or its path with the query; give what comes of it to your tracer:
            `tracer.start_as_current_span("job ended", context=webhooks.trace_of(url))`.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    carrier = {name: value for name, value in parse_qsl(urlsplit(url).query) if name in _FIELDS}
    context = _propagator().extract(carrier)
    trace: Any = sys.modules["opentelemetry.trace"]
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  an extra

    return TraceContextTextMapPropagator()
