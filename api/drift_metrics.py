"""Figures of drift for Prometheus, from the ledger: ``control``, which opens alerts, serves none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.contracts import System
from pipeline.drift_figures import Kind


class DriftMetrics(Collector):
    """What ``db.drift_alerts.figures`` says; nothing while the database is away."""

    def __init__(self, figures: Mapping[tuple[str, str], int] | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if self._figures is None:
            return
        text = "Alerts of drift that nobody has closed"
        family = GaugeMetricFamily("scanmill_drift_alerts_open", text, labels=["system", "kind"])
        for system in System:
            for kind in Kind:
                family.add_metric([system, kind], self._figures.get((system, kind), 0))
        yield family
