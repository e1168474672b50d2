"""OpenTelemetry metrics, from the table in `_names.py`.

They count as in use where the program has imported `opentelemetry.metrics`. The instruments are made with the first
measurement, once for each meter provider; those that are observed ask all clients that are alive then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from runpod_sdk._values._version import __version__

from . import _names as names

if TYPE_CHECKING:
    from opentelemetry.metrics import Observation

    from ._names import Fact, Facts, Metric

# What is observed: a value, and of what it is.
Observed = Iterable[tuple[float, "Facts"]]


class Gauges(Protocol):
    """What one client tells when it is asked."""

    def observed(self, metric: Metric) -> Observed:
        """Return all values of a metric now."""
        ...


class Instruments:
    """The instruments of one meter provider."""

    def __init__(self, meter: Any, metrics: Any) -> None:
        self._observation = metrics.Observation
        self._made: dict[str, Any] = {metric.name: self._make(meter, metric) for metric in names.METRICS}

    def measure(self, metric: Metric, value: float, facts: Facts) -> None:
        """Add to a counter, or record one value of a histogram."""
        instrument = self._made[metric.name]
        (instrument.record if metric.kind == "histogram" else instrument.add)(value, facts)

    def _make(self, meter: Any, metric: Metric) -> Any:
        about = {"unit": metric.unit, "description": metric.about}
        match metric.kind:
            case "counter":
                return meter.create_counter(metric.name, **about)
            case "histogram":
                return meter.create_histogram(
                    metric.name, **about, explicit_bucket_boundaries_advisory=list(metric.bounds)
                )
            case "gauge":
                return meter.create_observable_gauge(metric.name, [partial(self._observe, metric)], **about)
            case "sum":
                return meter.create_observable_up_down_counter(metric.name, [partial(self._observe, metric)], **about)

    def _observe(self, metric: Metric, _options: object) -> Iterator[Observation]:
        """Add up what the clients tell: a collector keeps one value for each set of facts."""
        total: dict[tuple[tuple[str, Fact], ...], float] = {}
        for client in list(_CLIENTS):
            for value, facts in client.observed(metric):
                key = tuple(sorted(facts.items()))
                total[key] = total.get(key, 0) + value
        for key, value in total.items():
            yield self._observation(value, dict(key))


# Of one name a provider keeps the first instrument, which may be one that was made before the provider was set: so all
# of them ask the same clients.
_CLIENTS: WeakSet[Gauges] = WeakSet()
_BY_PROVIDER: WeakKeyDictionary[Any, Instruments] = WeakKeyDictionary()


def instruments() -> Instruments | None:
    """Return the instruments of the program's meter provider; None where metrics are not in use."""
    metrics: Any = sys.modules.get("opentelemetry.metrics")
    if metrics is None:
        return None
    provider = metrics.get_meter_provider()
    found = _BY_PROVIDER.get(provider)
    if found is None:
        found = _BY_PROVIDER.setdefault(provider, Instruments(provider.get_meter("runpod_sdk", __version__), metrics))
    return found


def ask(gauges: Gauges) -> None:
    """Ask a client, too, whenever metrics are collected; it is not kept alive for that."""
    _CLIENTS.add(gauges)


def measure(metric: Metric, value: float, facts: Facts) -> None:
    """Add to a counter, or record one value of a histogram, where metrics are in use."""
    made = instruments()
    if made is not None:
        made.measure(metric, value, facts)
