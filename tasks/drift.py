"""Counting days that are over, and opening alerts for what has drifted. Safe to run several times at once."""

from __future__ import annotations

import heapq
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from db import drift_alerts, drift_days, reviews
from db.drift_days import Counted, Due, Ended
from db.session import Connection, Database
from pipeline.drift import Day
from pipeline.drift_figures import Doubt, counted, doubt
from pipeline.numbers import rounded
from tasks.drift_settings import DriftSettings

log = logging.getLogger(__name__)

PAGE = 500
"""Scans that are read at once."""
MOST_REVIEWED, MOST_EXAMPLES = 50, 12
"""Of one source and day: the most doubtful scans that are kept for review, and scans by chance."""
MOST_SOURCES = 50
"""Of one day and system; the scans of smaller ones are counted together."""
OTHERS = "others"


def turn(database: Database, settings: DriftSettings) -> bool:
    """Count the next day that is over, and compare when a tenant's last has been counted; whether there was one."""
    with database.begin() as connection:
        due = drift_days.due(connection)
    if due is None:
        return False
    days = count(database, due)
    with database.begin() as connection:
        if drift_days.keep(connection, due, days, settings.keep_days) and due.newest:
            _compare(connection, due, settings)
    return True


def _compare(connection: Connection, due: Due, settings: DriftSettings) -> None:
    plan = settings.plan(due.day + timedelta(1))
    for system in drift_days.systems(connection, due.tenant_id, plan.recent):
        for alert in drift_alerts.check(connection, due.tenant_id, system, plan):
            log.warning("%s drifted: %s of %s", alert.kind, alert.measure, system, extra={"alert": str(alert.id)})


def count(database: Database, due: Due) -> list[Counted]:
    """One day by system and source, each picture once."""
    tallies: dict[tuple[str, str], _Tally] = defaultdict(_Tally)
    for scan in _scans(database, due):
        tallies[scan.system, scan.source].add(scan)
    return [tally.written(system, source, due) for (system, source), tally in _fewer(tallies).items()]


def _scans(database: Database, due: Due) -> Iterator[Ended]:
    after: tuple[datetime, UUID] | None = None
    while True:
        with database.begin() as connection:
            found = drift_days.ended(connection, due, after, PAGE)
        yield from found
        if len(found) < PAGE:
            return
        after = found[-1].finished_at, found[-1].id


@dataclass(slots=True)
class _Tally:
    """One source while it is counted; memory grows with its different pictures, by some sixty bytes each."""

    seen: set[int] = field(default_factory=set)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    doubtful: list[tuple[float, str, Doubt]] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def add(self, scan: Ended) -> None:
        picture = hash(scan.picture)
        if picture in self.seen:
            return
        self.seen.add(picture)
        for name, word in counted(scan.status, scan.code, scan.report).items():
            self.counts[name][word] += 1
        if (found := doubt(scan.report)) is not None:
            self._keep((found.score, str(scan.id), found))
        self.examples = sorted([*self.examples, str(scan.id)], key=reviews.by_chance)[:MOST_EXAMPLES]

    def _keep(self, look: tuple[float, str, Doubt]) -> None:
        if len(self.doubtful) < MOST_REVIEWED:
            heapq.heappush(self.doubtful, look)
        else:
            heapq.heappushpop(self.doubtful, look)

    def take(self, other: _Tally) -> None:
        """Count another source's scans as this one's."""
        self.seen |= other.seen
        for name, counts in other.counts.items():
            self.counts[name].update(counts)
        for look in other.doubtful:
            self._keep(look)
        self.examples = sorted([*self.examples, *other.examples], key=reviews.by_chance)[:MOST_EXAMPLES]

    def written(self, system: str, source: str, due: Due) -> Counted:
        looks = [
            {"scan_id": scan, "uncertainty": found.uncertainty, "disagreement": found.disagreement, "score": score}
            for score, scan, found in sorted(self.doubtful, key=lambda look: look[:2], reverse=True)
        ]
        return Counted(Day(system, due.day, source, len(self.seen), self.counts), rounded(looks), self.examples)


def _fewer(tallies: Mapping[tuple[str, str], _Tally]) -> dict[tuple[str, str], _Tally]:
    """The largest sources of each system by name, and the scans of all smaller ones together."""
    kept: dict[tuple[str, str], _Tally] = {}
    named: Counter[str] = Counter()
    for (system, source), tally in sorted(tallies.items(), key=lambda one: (-len(one[1].seen), one[0])):
        named[system] += 1
        if named[system] <= MOST_SOURCES:
            kept[system, source] = tally
        else:
            kept.setdefault((system, OTHERS), _Tally()).take(tally)
    return kept
