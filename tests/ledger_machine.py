"""The model beside the ledger: how a machine compares the two after every step, and adopts the ledger's choices."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from db import views
from db.ledger import Claim
from db.session import Database
from pipeline.contracts import Lane
from tests.invariants import violations
from tests.ledger import Mill, small_pipeline
from tests.ledger_model import Model, ModelRun, ModelScan

numbers = itertools.count()


class ComparedLedger(RuleBasedStateMachine):
    """One tenant on a real ledger, and the model beside it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.model = Model()
        self.claims: list[Claim] = []
        self.seen: dict[int, tuple[int, int]] = {}

    @initialize()
    def begin(self) -> None:
        system = f"small{next(numbers)}"
        self.mill = Mill(self.database, small_pipeline(system), tenant_name=system)
        self.owners = [self.mill.owner, uuid.uuid4(), uuid.uuid4()]
        for picture in ("cat", "cat", "dog", None):
            self._submit(picture, Lane.INTERACTIVE, extra=picture == "cat")

    def teardown(self) -> None:
        if hasattr(self, "mill"):
            for table in ("scan", "result", "artifact", "tenant", "count_delta", "scan_count", "worker"):
                self.mill.execute(f"DELETE FROM {table}")

    def _submit(self, picture: str | None, lane: Lane, *, extra: bool) -> None:
        before = self._leaders()
        made = self.mill.submit(picture, lane, options={} if extra else {"extra": False})
        scan = ModelScan(
            made.scan_id, len(self.model.scans), lane, picture, {"extra": extra}, self.mill.specification["stages"]
        )
        self.model.scans.append(scan)
        if lane is Lane.INTERACTIVE:
            self.model.expand(scan, self._ids(scan))
        self._adopt(before)

    # --- what must be true

    @invariant()
    def every_invariant_holds(self) -> None:
        assert violations(self.database) == []

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        if not self.model.scans:
            return
        for r in self.mill.query("SELECT * FROM stage_run"):
            run = self.model.runs[r.id]
            here = (r.state, r.code, r.token, r.attempts, r.charged, r.owner, r.waits_for, r.reused_from is not None)
            there = (run.state, run.code, run.token, run.attempts, run.charged, run.owner, run.waits_for, run.reused)
            assert here == there, run.name
            last = self.seen.get(r.id, (0, 0))
            assert last <= (r.attempts, r.token), "a counter went back"
            self.seen[r.id] = (r.attempts, r.token)
        for s in self.mill.query("SELECT * FROM scan"):
            scan = next(each for each in self.model.scans if each.id == s.id)
            assert (s.status, s.code, s.admitted_at is not None) == (
                scan.status,
                scan.code,
                bool(scan.runs) or scan.over,
            )
        self._counts_and_events()

    def _counts_and_events(self) -> None:
        with self.database.begin() as connection:
            counts = views.counts(connection, self.mill.tenant_id)
            scan = self.model.scans[-1]
            told = views.events(connection, self.mill.tenant_id, scan.id)
        assert counts["submitted"] == len(self.model.scans) == sum(counts.values()) - counts["submitted"]
        assert {k: n for k, n in counts.items() if n and k != "submitted"} == {
            status: len(list(group)) for status, group in itertools.groupby(sorted(s.status for s in self.model.scans))
        }
        assert [e["data"]["status"] for e in told if e["kind"] == "status"] == scan.statuses
        ends = [tuple(e["data"][k] for k in ("stage", "state", "code", "reused")) for e in told if e["kind"] == "stage"]
        assert sorted(map(repr, ends)) == sorted(map(repr, scan.ends))

    # --- the ledger's choices, checked and taken over

    def _of_stage(self, name: str) -> list[ModelRun]:
        stage_id = self.mill.stage_ids[name]
        ids = {r.id for r in self.mill.query("SELECT id FROM stage_run WHERE stage_id = :s", s=stage_id)}
        return [run for run in self.model.runs.values() if run.id in ids]

    def _ids(self, scan: ModelScan) -> dict[str, int]:
        found = self.mill.query(
            "SELECT s.name, r.id FROM stage_run r JOIN stage s ON s.id = r.stage_id WHERE r.scan_id = :s", s=scan.id
        )
        return {r.name: r.id for r in found}

    def _leaders(self) -> dict[int, tuple[Any, Lane]]:
        """Whom a newly ready run might have waited for before this step."""
        return {
            r.id: (r.work, r.lane)
            for r in self.model.runs.values()
            if r.work and (r.claimable or r.state == "leased") and not r.charged
        }

    def _adopt(self, before: dict[int, tuple[Any, Lane]]) -> None:
        """A newly ready run waits for an equal one of its lane or a faster one if there is any, else for none."""
        runs = self.model.runs
        for run in [r for r in runs.values() if r.fresh]:
            run.fresh = False
            (row,) = self.mill.query("SELECT waits_for FROM stage_run WHERE id = :id", id=run.id)
            still = [i for i in before if runs[i].state in ("ready", "leased") and i != run.id]
            if any(before[i] == (run.work, lane) for i in still for lane in Lane if lane <= run.lane):
                assert row.waits_for is not None, "an equal run was at work and nobody waited for it"
            if row.waits_for is not None:
                leader = runs[row.waits_for]
                assert (leader.work, leader.state in ("ready", "leased")) == (
                    run.work,
                    True,
                ) and leader.lane <= run.lane
                assert not leader.charged
            run.waits_for = row.waits_for
