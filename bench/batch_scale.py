"""A batch of many lines through stages that do nothing, while API, control and workers are killed at random.

Run: ``python -m bench.batch_scale [--items 100000] [--kills 20]``. Ends with an error unless every line is in exactly one
state and the ledger says the same. Lines are listed straight through the ledger, a thousand at a time: the pipeline is
none of the API's, and HTTP would measure HTTP. The batch is followed by ``GET /v1/batches/{id}``, whose counts must add
up in every answer. Nothing is killed in the second half: there the memory is compared, half way against the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from bench.house import House, house, machine, say
from bench.noop import SHORT_LENGTH
from cli import processes
from db import batches
from db.batches import NewBatch, NewItem
from db.sql import row

KINDS = ("control", "worker", "api")
REFUSED_EVERY = 10
SAME_EVERY = 7
STUCK_S = 120.0
"""Longest time without a line that ends before we give up."""


def lines(count: int) -> Iterator[NewItem]:
    """Every tenth is refused, every seventh has the bytes of the first: those are worked on once."""
    for n in range(count):
        name = "same" if n % SAME_EVERY == 0 else str(n)
        code = "CORRUPT_IMAGE" if n % REFUSED_EVERY == REFUSED_EVERY - 1 else None
        digest = hashlib.sha256(name.encode()).hexdigest()
        yield NewItem(custom_id=str(n), ref=name, sha256=digest, options={"name": name}, code=code)


def measure(count: int, kills: int, seed: int = 5) -> dict[str, object]:
    """The whole course of one batch; counts, rate and memory. Raises AssertionError where something does not add up."""
    settings = {
        "SCANMILL_ENV": "test",
        "SCANMILL_EXTRA_PIPELINES": '["bench.noop:SHORT"]',
        "SCANMILL_BATCH_SIZE": "32",
        "SCANMILL_WORKER_METRICS_PORT": "0",
    }
    with house(slots=2, settings=settings) as place:
        course = Course(place, count, kills, random.Random(seed))
        course.list_all()
        course.follow()
        found = course.checked()
    return {**found, "load": round(os.getloadavg()[0], 1), "machine": machine()}


class Course:
    """One batch from its first line to its end."""

    def __init__(self, place: House, count: int, kills: int, dice: random.Random) -> None:
        self._place = place
        self._count = count
        self._goals = [count * (n + 1) // (2 * kills + 1) for n in range(kills)]
        self._dice = dice
        self._batch: UUID | None = None
        self._memory: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        self.killed = dict.fromkeys(KINDS, 0)

    def list_all(self) -> None:
        """Open the batch and list its lines; scans begin while they come."""
        with self._place.database.begin() as connection:
            tenant = row(connection, "SELECT id FROM tenant WHERE name = 'bench'")
            assert tenant is not None
            self._batch, _ = batches.create(connection, NewBatch(tenant_id=tenant.id, system="short"))
        every = list(lines(self._count))
        for first in range(0, self._count, 1_000):
            with self._place.database.begin() as connection:
                batches.append(connection, tenant.id, self._batch, every[first : first + 1_000])
        with self._place.database.begin() as connection:
            batches.finalise(connection, tenant.id, self._batch)

    def follow(self) -> None:
        """Kill, have it started again, look at memory, until the batch has ended."""
        done, moved = 0, time.monotonic()
        while True:
            time.sleep(0.2)
            self._place.service.tick()
            told = self._told()
            if told is None:
                continue
            counts = told["counts"]
            assert sum(n for name, n in counts.items() if name != "items") == counts["items"] == self._count, counts
            now = self._count - counts["queued"] - counts["running"]
            if now > done:
                done, moved = now, time.monotonic()
            assert time.monotonic() - moved < STUCK_S, f"nothing has ended for {STUCK_S} s: {counts}"
            self._weigh("half" if done < self._count * 0.6 else "end")
            if told["finished_at"]:
                return
            while self._goals and done >= self._goals[0]:
                self._goals.pop(0)
                self._kill()

    def _told(self) -> dict[str, Any] | None:
        """The batch as the API shows it; None while the API is dead or just starting."""
        headers = {"Authorization": f"Bearer {self._place.service.key}"}
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self._place.service.url}/v1/batches/{self._batch}", headers=headers, timeout=10)
            if answer.is_success:
                return dict(answer.json())
        return None

    def _kill(self) -> None:
        name = self._dice.choice(KINDS)
        if pid := self._place.service.pids().get(name):
            say(f"kill {name}")
            processes.kill_group(pid)
            self.killed[name] += 1

    def _weigh(self, when: str) -> None:
        """Resident memory in MB of each kind, children included; the last look of each half stays, and the peak."""
        for kind, pid in self._place.service.pids().items():
            now = sum(_resident(each) for each in (pid, *processes.descendants(pid)))
            held = self._memory[kind]
            held[when], held["peak"] = now, max(now, held.get("peak", 0.0))

    def checked(self) -> dict[str, object]:
        """What the ledger says against what was sent."""
        refused = self._count // REFUSED_EVERY
        with self._place.database.begin() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            found = row(connection, _LEDGER, batch=self._batch)
        assert found is not None
        scans = self._count - refused
        told = (found.lines, found.refused, found.scans, found.succeeded, found.runs, found.ok, found.twice)
        sent = (self._count, refused, scans, scans, scans * SHORT_LENGTH, scans * SHORT_LENGTH, 0)
        assert told == sent, f"the ledger says {told}, sent were {sent}"
        return {
            "items": self._count,
            "succeeded": found.succeeded,
            "refused": found.refused,
            "reused_runs": found.reused,
            "attempts": found.attempts,
            "killed": self.killed,
            "seconds": round(found.seconds, 1),
            "items_per_s": round(scans / found.seconds, 1),
            "stage_runs_per_s": round(scans * SHORT_LENGTH / found.seconds),
            "memory_mb": {kind: {when: round(mb) for when, mb in held.items()} for kind, held in self._memory.items()},
        }


_LEDGER = """
    SELECT (SELECT count(*) FROM batch_item WHERE batch_id = :batch) AS lines,
           (SELECT count(code) FROM batch_item WHERE batch_id = :batch) AS refused,
           count(DISTINCT s.id) AS scans, count(DISTINCT s.id) FILTER (WHERE s.status = 'succeeded') AS succeeded,
           count(r.id) AS runs, count(r.id) FILTER (WHERE r.state = 'ok') AS ok,
           count(r.id) FILTER (WHERE r.reused_from IS NOT NULL) AS reused, sum(r.attempts)::bigint AS attempts,
           (SELECT count(*) FROM (SELECT FROM event e JOIN scan es ON es.id = e.scan_id
                WHERE es.batch_id = :batch AND es.batch_id IS NOT NULL AND e.kind = 'stage'
                GROUP BY e.scan_id, e.data ->> 'stage' HAVING count(*) <> 1) t) AS twice,
           extract(epoch FROM max(s.finished_at) - min(s.admitted_at))::float AS seconds
    FROM batch_item i JOIN scan s ON s.id = i.scan_id JOIN stage_run r ON r.scan_id = s.id
    WHERE i.batch_id = :batch"""
"""``twice``: stages whose end was told another number of times than once."""


def _resident(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
    return kib / 1024


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    print(json.dumps(measure(given.items, given.kills, given.seed)))


if __name__ == "__main__":
    main()
