"""/metrics of a worker host: the sum over its children, served by the supervisor."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector


def serve_metrics(host: str, port: int, folder: str) -> None:
    """Serve the children's metrics from a daemon thread; they write to files in ``folder``."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # the library has no types there
    start_http_server(port, addr=host, registry=registry)
