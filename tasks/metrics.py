"""What Prometheus sees of the work. Labels are stages, outcomes and codes: never ids."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

STAGE_RUNS = Counter("scanmill_stage_runs_total", "Stage runs that ended", ["stage", "outcome", "code"])
STAGE_SECONDS = Histogram(
    "scanmill_stage_seconds",
    "Seconds of work per stage run (a micro-batch's time over its size)",
    ["stage"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
MICRO_BATCH = Histogram(
    "scanmill_micro_batch_size", "Stage runs per micro-batch", ["stage"], buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
CPU_SECONDS = Counter(
    "scanmill_cpu_seconds_total",
    "Processor seconds of a worker child, by what it did: the stage itself, or its files",
    ["stage", "part"],
)
FENCED = Counter("scanmill_fenced_total", "Runs whose answer came too late and was thrown away", ["stage"])
TRAINING_ATTEMPTS = Counter(
    "scanmill_training_attempts_total",
    "Attempts at a training that ended, by the state they left the run in (lost: fenced off)",
    ["recipe", "state", "code"],
)
TRAINING_SECONDS = Histogram(
    "scanmill_training_seconds",
    "Seconds of one attempt at a training",
    ["recipe"],
    buckets=(10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400),
)
