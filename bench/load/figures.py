"""What became of a round of requests, in numbers: percentiles and counts, never an average."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import httpx

from bench.house import machine, percentile
from bench.load.users import Asked

SHARES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


def told(asked: Sequence[Asked], seconds: float) -> dict[str, Any]:
    """A round's figures and all its requests. Times are of answered requests alone; the others are counted by code."""
    answered = sorted(one.seconds * 1000 for one in asked if one.answered)
    return {
        "n": len(asked),
        "answered": len(answered),
        "seconds": round(seconds, 3),
        "answered_per_second": round(len(answered) / seconds, 2),
        "ms": {name: round(percentile(answered, share), 1) for name, share in SHARES.items()} if answered else {},
        "statuses": dict(sorted(Counter(str(one.status) for one in asked).items())),
        "codes": dict(sorted(Counter(one.code for one in asked if one.code).items())),
        "failures": dict(sorted(Counter(f"{one.status} {one.code}" for one in asked if not one.answered).items())),
        "sent away": sum(one.turns.get("refused", 0) for one in asked),
        "looked again": sum(one.turns.get("polled", 0) for one in asked),
        "lines broken": sum(one.turns.get("broken", 0) for one in asked),
        "requests": [{**asdict(one), "answered": one.answered} for one in asked],
    }


def circumstances(url: str) -> dict[str, Any]:
    """When and where: the figures mean little without."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {"scanmill": _installed("scanmill"), "httpx": _installed("httpx"), "service": _of_service(url)},
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """One file, a line for each request so that it can be read."""
    rounds = [{**one, "requests": []} for one in result["rounds"]]
    text = json.dumps({**result, "rounds": rounds}, indent=1)
    for one in result["rounds"]:
        lines = ",\n".join(f"    {json.dumps(request)}" for request in one["requests"])
        text = text.replace('"requests": []', f'"requests": [\n{lines}\n   ]', 1)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """A file that ``write`` wrote. Raises ValueError for any other."""
    result = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(result, dict) or not isinstance(result.get("rounds"), list):
        raise ValueError(f"{path} is no result of a load test")  # noqa: TRY004  a wrong file, not a wrong call
    return result


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _of_service(url: str) -> str | None:
    """The version that the service says it has; None where it says nothing."""
    try:
        answer = httpx.get(f"{url}/health", timeout=10)
        return str(answer.json()["version"])
    except (httpx.TransportError, ValueError, KeyError, TypeError):
        return None
