"""Figures of webhooks for Prometheus, from the ledger: ``control``, which sends them, serves none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


class WebhookMetrics(Collector):
    """What ``db.webhook_work.figures`` says; nothing while the database is away."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        if not self._figures:
            return
        attempts = CounterMetricFamily("scanmill_webhook_attempts", "Attempts to deliver, by end", labels=["outcome"])
        for outcome in ("delivered", "failed"):
            attempts.add_metric([outcome], self._figures[outcome])
        yield attempts
        text = "Age of the oldest delivery that waits, over enabled webhooks"
        yield GaugeMetricFamily("scanmill_webhook_waiting_seconds", text, self._figures["waiting_s"])
