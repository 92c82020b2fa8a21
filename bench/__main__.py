"""``make bench``: every benchmark once, one JSON line each, in minutes. README.md says what each figure is for."""

from __future__ import annotations

import json
from collections.abc import Callable

from bench import heatmaps, models, photos, queue_rate, reprocess, submit_latency
from bench.house import say

BENCHMARKS: dict[str, Callable[[], dict[str, object]]] = {
    "queue_rate, batch 32": lambda: queue_rate.measure(1000, slots=2, batch=32),
    "queue_rate, batch 1": lambda: queue_rate.measure(200, slots=2, batch=1),
    "submit_latency": lambda: submit_latency.measure(50, 20),
    "photos, starter networks": lambda: photos.measure(None, 200, slots=2, networks="starter"),
    "photos, networks of the seed's size": lambda: photos.measure(None, 200, slots=2, networks="seed-size"),
    "reprocess, starter networks": lambda: reprocess.measure(None, 100, slots=2, networks="starter"),
    "reprocess, networks of the seed's size": lambda: reprocess.measure(None, 100, slots=2, networks="seed-size"),
    "models": lambda: models.measure(20),
    "heatmaps": lambda: heatmaps.measure(5),
}


def main() -> None:
    """Run them one after another, so that none disturbs another."""
    for name, measure in BENCHMARKS.items():
        say(name)
        print(json.dumps({"benchmark": name, **measure()}), flush=True)


if __name__ == "__main__":
    main()
