"""A whole service for a benchmark: embedded servers, control, workers and API, and what its processes cost."""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from cli import processes
from cli.local import LocalService, Options, running
from db.session import Database
from db.settings import DatabaseSettings
from storage import Storage, open_storage
from storage.settings import StorageSettings

METRICS_PORT = 9477
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class House:
    """A running service and the doors to its ledger and storage."""

    service: LocalService
    database: Database
    storage: Storage

    def cpu_seconds(self) -> dict[str, float]:
        """Processor seconds so far of every process below this one, by program."""
        return cpu_below()

    def stage_cpu_seconds(self) -> dict[str, float]:
        """Processor seconds of worker children inside stages (``run``) and on their files (``store``)."""
        found = {"run": 0.0, "store": 0.0}
        with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    if sample.name == "scanmill_cpu_seconds_total":
                        found[sample.labels["part"]] += sample.value
        return found


@contextmanager
def house(*, slots: int = 2, settings: Mapping[str, str] | None = None) -> Iterator[House]:
    """Start everything in a temporary folder, and leave nothing behind."""
    given = {"SCANMILL_WORKER_METRICS_PORT": str(METRICS_PORT), **(settings or {})}
    before = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with tempfile.TemporaryDirectory(prefix="scanmill-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ.update(given)
        service = LocalService(Options(var=Path(folder), tenant="bench", slots=slots), say)
        try:
            with running(service):
                os.environ.update(service.environment)
                database = Database(DatabaseSettings())
                yield House(service, database, open_storage(StorageSettings()))
                database.dispose()
        finally:
            os.environ.clear()
            os.environ.update(before)
            for number, handler in handlers.items():  # stopping has made us deaf, and more may be measured after it
                signal.signal(number, handler)


def cpu_below() -> dict[str, float]:
    """Processor seconds so far of every process that this one or its children started, by program."""
    totals: dict[str, float] = {}
    for pid in processes.descendants(os.getpid()):
        name, seconds = _cpu_of(pid)
        totals[name] = totals.get(name, 0.0) + seconds
    return totals


def say(line: str) -> None:
    """Progress goes to standard error, figures to standard output."""
    print(line, file=sys.stderr, flush=True)


def machine() -> str:
    """What a figure was measured on, in words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 1).__int__() - 1))]


def _cpu_of(pid: int) -> tuple[str, float]:
    """A process's kind, and its processor seconds with those of children it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone", 0.0
    seconds = sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICKS
    kinds = {
        "decode_server": "decoder",
        "postgres": "postgres",
        "redis": "redis",
        "gunicorn": "api",
        "celery": "worker",
    }
    return next((kind for word, kind in kinds.items() if word in command), "control and supervisors"), seconds
