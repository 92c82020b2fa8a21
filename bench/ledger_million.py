"""What a ledger costs that has been in use for long: each statement's time with a million ended and a million queued scans.

Run: ``python -m bench.ledger_million [--lines 1000000]`` (filling it takes most of the time). Only the ledger is here:
an embedded PostgreSQL and this process; statements may take a minute instead of the usual five seconds, to be seen.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from bench.full_ledger import RARE, FullLedger, fill
from bench.house import machine, percentile, say
from cli.postgres import EmbeddedPostgres
from db import admission, batch_again, batch_ends, batch_views, ledger, migrate, results, scans, training_work, views
from db.batch_views import Which
from db.results import Answer
from db.scans import NewScan
from db.session import Connection, Database
from db.settings import DatabaseSettings
from pipeline.compare import Tally, compare
from pipeline.contracts import InputKind, Lane, RunState

PAGE = 200
WALK_S = 3.0
UNWELL = ("refused", "partial", "rejected", "failed", "cancelled")


class Bench:
    """The statements, one method for each group of figures; times in milliseconds as ``[p50, p99, worst]``."""

    def __init__(self, database: Database, owner: UUID, full: FullLedger) -> None:
        self._database = database
        self._owner = owner
        self._full = full

    def figures(self) -> dict[str, object]:
        """All of them; reading first, then what changes the ledger."""
        return {**self._reading(), **self._walking(), **self._control(), **self._working(), **self._submitting()}

    def _timed(self, call: Callable[[Connection], object], times: int = 20) -> list[float]:
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            with self._database.begin() as connection:
                call(connection)
            taken.append((time.perf_counter() - began) * 1000)
        return [round(percentile(taken, 0.5), 2), round(percentile(taken, 0.99), 2), round(max(taken), 2)]

    def _reading(self) -> dict[str, object]:
        tenant, batch, lines = self._full.tenant, self._full.ended, self._full.lines

        def items(after: int = 0, *statuses: str, code: str | None = None) -> Callable[[Connection], object]:
            which = Which(statuses, code)
            return lambda c: batch_views.items(c, tenant, batch, which, after=after, limit=PAGE)

        with self._database.begin() as connection:
            (deep,) = connection.exec_driver_sql(
                "SELECT id FROM scan WHERE tenant_id = %s ORDER BY created_at OFFSET 1000 LIMIT 1", (str(tenant),)
            ).one()
        return {
            "batch": self._timed(lambda c: batch_views.get(c, tenant, batch)),
            "batch_queued": self._timed(lambda c: batch_views.get(c, self._full.other, self._full.queued)),
            "items_first": self._timed(items()),
            "items_middle": self._timed(items(lines // 2)),
            "items_last": self._timed(items(lines - PAGE)),
            "errors_first": self._timed(items(0, *UNWELL)),
            "errors_rare_code": self._timed(items(0, *UNWELL, code=RARE), 3),
            "errors_rare_status": self._timed(items(0, "failed"), 3),
            "errors_no_such_code": self._timed(items(0, *UNWELL, code="NO_FACE_DETECTED"), 3),
            "codes": self._timed(lambda c: batch_views.codes(c, tenant, batch), 3),
            "scans_first": self._timed(lambda c: views.page(c, tenant)),
            "scans_deep": self._timed(lambda c: views.page(c, tenant, after=deep)),
            "scans_failed": self._timed(lambda c: views.page(c, tenant, status="failed"), 3),
            "counts": self._timed(lambda c: views.counts(c, tenant)),
        }

    def _walking(self) -> dict[str, object]:
        """Lines per second of an export from the middle, and of a difference, one page after another."""
        full, tally, place = self._full, Tally(), ""
        began, lines, after = time.perf_counter(), 0, full.lines // 2
        while time.perf_counter() - began < WALK_S and after < full.lines - PAGE:
            with self._database.begin() as connection:
                page = batch_views.items(connection, full.tenant, full.ended, Which(), after=after, limit=PAGE)
            lines, after = lines + len(page), page[-1]["n"]
        export = lines / (time.perf_counter() - began)
        began, lines = time.perf_counter(), 0
        while time.perf_counter() - began < WALK_S and lines < full.lines // 10:
            with self._database.begin() as connection:
                pairs = batch_views.pairs(connection, full.tenant, full.ended, full.again, place, PAGE)
            for _, first, second in pairs:
                if first and second:
                    tally.add(compare(first, second))
            lines, place = lines + len(pairs), pairs[-1][0]
        return {"export_lines_per_s": round(export), "diff_lines_per_s": round(lines / (time.perf_counter() - began))}

    def _control(self) -> dict[str, object]:
        """Each step of a turn of control, beside a million queued scans."""
        steps: dict[str, Callable[[Connection], object]] = {
            "expire": ledger.expire,
            "expire_trainings": training_work.expire,
            "followers": results.settle_followers,
            "stop_hopeless": batch_ends.stop_hopeless,
            "cancel_page": batch_ends.cancel_page,
            "list_page": batch_again.list_page,
            "finish": batch_ends.finish,
            "let_in": lambda c: admission.admit_interactive(c, 16),
            "forget_workers": admission.forget_workers,
        }
        found: dict[str, object] = {f"turn_{name}": self._timed(step) for name, step in steps.items()}
        found["turn_admit_200"] = self._timed(lambda c: admission.admit(c, 3_000), 10)
        found["turn_admit_full"] = self._timed(lambda c: admission.admit(c, 512))
        found["turn_fold_counts"] = self._timed(self._note_and_fold, 10)
        return found

    def _note_and_fold(self, connection: Connection) -> None:
        connection.exec_driver_sql(
            """INSERT INTO count_delta (tenant_id, batch_id, status, delta)
               SELECT %s, %s, 'queued', CASE WHEN n %% 2 = 0 THEN 1 ELSE -1 END FROM generate_series(1, 5000) n""",
            (str(self._full.other), str(self._full.queued)),
        )
        admission.fold_counts(connection)

    def _working(self) -> dict[str, object]:
        """Claiming and ending micro-batches of 16 of what was admitted just now."""
        queues, stages = ["cpu"], list(self._full.stage_ids.values())
        looks, claims, ends = [], [], []
        for _ in range(100):
            began = time.perf_counter()
            with self._database.begin() as connection:
                first = ledger.next_stage(connection, queues, stages)
            assert first is not None
            looked = time.perf_counter()
            with self._database.begin() as connection:
                claimed = ledger.claim(connection, self._owner, first.stage_id, 16)
            took = time.perf_counter()
            answers = [
                Answer(c, RunState.OK, data={"report": {}, "n": c.run_id}, provenance={}, compute_ms=1.0)
                for c in claimed
            ]
            with self._database.begin() as connection:
                results.complete(connection, answers, "bench")
            ends.append((time.perf_counter() - took) * 1000)
            looks.append((looked - began) * 1000)
            claims.append((took - looked) * 1000)
        return {
            name: [round(percentile(taken, share), 2) for share in (0.5, 0.99, 1.0)]
            for name, taken in (("look", looks), ("claim_16", claims), ("complete_16", ends))
        }

    def _submitting(self) -> dict[str, object]:
        def submit(connection: Connection) -> None:
            name = uuid.uuid4().hex
            new = NewScan(
                tenant_id=self._full.tenant,
                system="long_used",
                lane=Lane.INTERACTIVE,
                input_kind=InputKind.UPLOAD,
                input_ref=name,
                input_sha256=name,
                options={},
            )
            scans.submit(connection, new)

        return {"submit": self._timed(submit, 200)}


def measure(lines: int) -> dict[str, object]:
    """Fill a ledger of its own, and time everything on it."""
    with tempfile.TemporaryDirectory(prefix="scanmill-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "postgres", fsync=False)
        server.start()
        try:
            url = SecretStr(server.url())
            database = Database(DatabaseSettings(database_url=url, db_statement_timeout_ms=60_000))
            migrate.upgrade(database)
            owner, began = uuid.uuid4(), time.monotonic()
            full = fill(database, owner, lines)
            filled = round(time.monotonic() - began)
            say("measuring")
            found = Bench(database, owner, full).figures()
            database.dispose()
        finally:
            server.destroy()
    return {"lines": lines, "fill_s": filled, **found, "load": round(os.getloadavg()[0], 1), "machine": machine()}


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    print(json.dumps(measure(parser.parse_args().lines)))


if __name__ == "__main__":
    main()
