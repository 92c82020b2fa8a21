"""What a source holds and what scanning it will take, before anything of it is queued."""

from __future__ import annotations

import hashlib
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from cli.batches.sources import Line, SourceError
from cli.client import Client
from pipeline.colour_modes import colour_modes
from pipeline.errors import ScanmillError
from pipeline.sniff import ImageLimits, sniff

SEED = 7
NAMED = 20
"""Bad files of each kind that are named; all are counted."""


@dataclass(slots=True)
class Plan:
    """What was seen. `bad` counts and names lines by the code they would end with; equal bytes are computed once."""

    lines: int = 0
    bytes: int = 0
    references: int = 0
    duplicates: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)
    good: list[Line] = field(default_factory=list)
    """A fair draw of the readable lines, for samples."""
    readable: int = 0
    modes: Counter[str] = field(default_factory=Counter)
    """Readable pictures by what their colours are besides 8-bit RGB; one may be in several."""

    def spoil(self, code: str, name: str) -> None:
        self.bad[code] += 1
        names = self.named.setdefault(code, [])
        if len(names) < NAMED:
            names.append(name)

    def refuse(self, code: str, name: str) -> None:
        """A line that was taken for readable, and is not."""
        self.spoil(code, name)
        self.readable -= 1
        self.good = [line for line in self.good if line.custom_id != name]


def look(
    lines: Iterable[Line], limits: ImageLimits, samples: int, see: Callable[[str, bytes], None] = lambda *_: None
) -> Plan:
    """Read every line's bytes once: headers, sizes, duplicates. Memory holds a digest for each and a few samples.

    `see` gets name and bytes of each readable picture, equal ones once.
    """
    plan, seen, rng = Plan(), set[bytes](), random.Random(SEED)  # noqa: S311  a draw, no secret
    for line in lines:
        plan.lines += 1
        if line.read is None:
            plan.references += 1
            continue
        try:
            content = line.read()
            plan.bytes += len(content)
            header = sniff(content, len(content), limits)
        except (OSError, SourceError, ValueError):
            plan.spoil("UNREADABLE", line.custom_id)
            continue
        except ScanmillError as error:
            plan.spoil(error.code, line.custom_id)
            continue
        digest = hashlib.sha256(content).digest()[:16]
        if digest in seen:
            plan.duplicates += 1
            continue
        seen.add(digest)
        plan.readable += 1
        plan.modes.update(colour_modes(content, header.format))
        see(line.custom_id, content)
        _draw(plan, line, samples, rng)
    return plan


def _draw(plan: Plan, line: Line, samples: int, rng: random.Random) -> None:
    """Reservoir sampling (Vitter 1985, algorithm R): each readable line is as likely as any other."""
    if len(plan.good) < samples:
        plan.good.append(line)
    elif (place := rng.randrange(plan.readable)) < samples:
        plan.good[place] = line


@dataclass(frozen=True, slots=True)
class Sample:
    """One scan that was run to learn what scans cost: seconds of waiting, seconds of work, bytes left behind."""

    wall_s: float
    work_s: float
    stored: int


def measure(client: Client, lines: Sequence[Line], pipeline: str) -> list[Sample]:
    """Scan the samples one after another. A scan that was answered from earlier work says nothing and is left out."""
    found = []
    for line in lines:
        assert line.read is not None
        began = time.monotonic()
        scan = client.submit(
            line.read(), filename=line.custom_id[-255:], pipeline=pipeline, options=line.options, wait_s=20
        )
        scan = scan if scan.finished and scan.stages else client.wait(scan.id, timeout_s=120)
        wall = time.monotonic() - began
        work = sum(stage.compute_ms or 0.0 for stage in scan.stages) / 1000
        if not all(stage.reused for stage in scan.stages if stage.state == "ok"):
            found.append(Sample(wall, work, sum(artifact.size for artifact in scan.artifacts)))
    return found


def estimate(plan: Plan, samples: Sequence[Sample], slots: int) -> dict[str, Any]:
    """Minutes, work and storage of the whole, each as a likely value between two bounds (95 % of the mean).

    Time is that of `slots` workers with nothing else to do. References are taken to be like the rest.
    """
    whole = plan.readable + plan.references
    work = interval([sample.work_s * whole for sample in samples])
    return {
        "scans": whole,
        "samples": len(samples),
        "work_s": work,
        "time_s": None if work is None else {name: value / slots for name, value in work.items()},
        "stored_bytes": interval([float(sample.stored) * whole for sample in samples]),
    }


def interval(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and what two standard errors to either side leave of it; None below two values, which tell no spread."""
    if len(values) < 2:
        return None
    mean, error = statistics.fmean(values), statistics.stdev(values) / sqrt(len(values))
    return {"likely": round(mean, 3), "from": round(max(0.0, mean - 2 * error), 3), "to": round(mean + 2 * error, 3)}
