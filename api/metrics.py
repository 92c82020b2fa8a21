"""Figures for Prometheus: requests and submits from this process, scans from the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.drift_metrics import DriftMetrics
from api.webhook_metrics import WebhookMetrics
from pipeline.contracts import ScanStatus

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One set of counters per app. With several processes they are files that a scrape adds up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "scanmill_api_requests", "Requests", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "scanmill_api_request_seconds", "Time to the response's head", ["method", "route"],
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.submits = Counter("scanmill_api_submits", "Submits by end", ["system", "end"], registry=self.registry)
        self.durations = Histogram(
            "prediction_duration_seconds", "From a submit to the scan's end, where the client waited for it", ["system"],
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.refusals = Counter("scanmill_api_refusals", "Requests refused, by code", ["code"], registry=self.registry)
        self.held = Gauge(
            "scanmill_api_held_threads", "Threads held by waiting clients", ["kind"],
            multiprocess_mode="livesum", registry=self.registry,
        )  # fmt: skip

    def page(
        self,
        scans: Mapping[str, int] | None,
        deleted: Mapping[str, int],
        trainings: Mapping[str, int],
        webhooks: Mapping[str, float],
        drift: Mapping[tuple[str, str], int] | None,
    ) -> bytes:
        """The scrape. ``scans``, ``deleted``, ``trainings``: count per status; ``drift``: open alerts. None when the database is away."""
        registry = CollectorRegistry()
        registry.register(_Ledger(scans, deleted, trainings))
        registry.register(WebhookMetrics(webhooks))
        registry.register(DriftMetrics(drift))
        own: CollectorRegistry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # set by api/gunicorn_conf.py, read by prometheus_client too
            own = CollectorRegistry()
            MultiProcessCollector(own)  # type: ignore[no-untyped-call]
        return generate_latest(own) + generate_latest(registry)


class _Ledger(Collector):
    def __init__(
        self, scans: Mapping[str, int] | None, deleted: Mapping[str, int], trainings: Mapping[str, int]
    ) -> None:
        self._scans = scans
        self._deleted = deleted
        self._trainings = trainings

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        yield GaugeMetricFamily("scanmill_ledger_up", "Whether the database answered", float(self._scans is not None))
        if self._scans is not None:
            family = GaugeMetricFamily("scanmill_scans", "Scans by status", labels=["status"])
            for status, number in sorted(self._scans.items()):
                family.add_metric([status], number)
            yield family
            ended = CounterMetricFamily("predictions", "Scans that ended, by how", labels=["status"])
            for status in sorted(each for each in ScanStatus if each.terminal):
                # Deleted ones are still counted: a counter never falls.
                ended.add_metric([status], self._scans.get(status, 0) + self._deleted.get(status, 0))
            yield ended
            family = GaugeMetricFamily("scanmill_training_runs", "Trainings by state", labels=["state"])
            for state, number in sorted(self._trainings.items()):
                family.add_metric([state], number)
            yield family
