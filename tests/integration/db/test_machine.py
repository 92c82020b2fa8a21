"""The ledger against a model of it: any sequence of what workers, clients and control do, in any order, twice, too late.

After every step each run and scan stands as in the model, and every invariant holds.
"""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from db import admission, ledger, results, scans
from db.ledger import Claim
from db.results import Answer, StoredFile
from db.session import Database
from pipeline.contracts import Lane, RunState
from tests.invariants import violations
from tests.ledger import digest, small_pipeline
from tests.ledger_machine import ComparedLedger
from tests.ledger_model import ModelResult, ModelRun

OUTCOMES = {
    RunState.OK: None,
    RunState.REJECTED: "NOT_A_CAT",
    RunState.ABSTAINED: "REGION_OUTSIDE_IMAGE",
    RunState.FAILED: "INTERNAL_ERROR",
    RunState.READY: "STORAGE_UNAVAILABLE",
}
STAGES = [stage["name"] for stage in small_pipeline()["stages"]]

mostly_ok = st.sampled_from([RunState.OK] * 6 + list(OUTCOMES))


class LedgerMachine(ComparedLedger):
    """Its rules: what clients, workers, time and control do."""

    # --- what clients do

    @rule(picture=st.sampled_from(["cat", "dog", None]), lane=st.sampled_from(Lane), extra=st.booleans())
    @precondition(lambda self: len(self.model.scans) < 9)
    def submit(self, picture: str | None, lane: Lane, extra: bool) -> None:
        self._submit(picture, lane, extra=extra)

    @rule(data=st.data(), really=st.integers(0, 2))
    def cancel(self, data: st.DataObject, really: int) -> None:
        if really:
            return
        scan = data.draw(st.sampled_from(self.model.scans))
        with self.database.begin() as connection:
            said = scans.cancel(connection, self.mill.tenant_id, scan.id)
        assert said == self.model.cancel(scan)

    @rule(margin=st.integers(0, 2))
    @precondition(lambda self: len(self.model.scans) % 3 == 0)
    def publish(self, margin: int) -> None:
        changed = {"right": {"parameters": {"side": "right", "margin": margin}}} if margin else {}
        self.mill.publish(small_pipeline(self.mill.specification["system"], **changed))

    # --- what workers do

    @rule(data=st.data(), owner=st.integers(0, 2), start=st.booleans())
    @precondition(lambda self: any(r.claimable for r in self.model.runs.values()))
    def claim(self, data: st.DataObject, owner: int, start: bool) -> None:
        """All there is of a stage: which runs a smaller claim gets is the ledger's choice, and would differ each time."""
        name = data.draw(st.sampled_from(sorted({r.name for r in self.model.runs.values() if r.claimable})))
        able = [r for r in self._of_stage(name) if r.claimable]
        self._claimed(able, self.mill.claim(name, 99, owner=self.owners[owner]), owner, start=start)

    @rule(data=st.data(), name=st.sampled_from(STAGES), owner=st.integers(0, 2))
    @precondition(lambda self: len(self._held()) % 2 == 1)
    def claim_by_ids(self, data: st.DataObject, name: str, owner: int) -> None:
        """A wake-up call: stale, doubled, reordered, of other stages too."""
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model.runs)), max_size=5))
        able = [r for r in self._of_stage(name) if r.claimable and r.id in ids]
        self._claimed(able, self.mill.claim(name, 99, owner=self.owners[owner], run_ids=ids), owner, start=True)

    def _claimed(self, able: list[ModelRun], claims: list[Claim], owner: int, *, start: bool) -> None:
        by_id = {run.id: run for run in able}
        assert {c.run_id for c in claims} <= by_id.keys(), "claimed what could not be claimed"
        taken = [by_id[c.run_id] for c in claims]
        fine, suspects = [r for r in able if not r.charged], [r for r in able if r.charged]
        assert {r.id for r in taken} == {r.id for r in fine or suspects[:1]}, (
            "all that are fine, else one suspect alone"
        )
        for run, claim in zip(taken, claims, strict=True):
            run.token, run.attempts, run.company = run.token + 1, run.attempts + 1, len(claims)
            run.state, run.code, run.owner, run.overdue = "leased", None, self.owners[owner], False
            assert (claim.token, claim.attempts) == (run.token, run.attempts)
        self.claims += claims
        if start and taken:
            before = self._leaders()
            with self.database.begin() as connection:
                ledger.start(connection, [c.scan_id for c in claims])
            self.model.settle([self.model.scan_of(run.id) for run in taken])
            self._adopt(before)

    @rule(outcome=mostly_ok, value=st.integers(0, 1), count=st.integers(1, 4))
    @precondition(lambda self: self._held())
    def complete_what_is_held(self, outcome: RunState, value: int, count: int) -> None:
        self._complete(self._held()[:count], outcome, value, follow=True)

    @rule(data=st.data(), outcome=mostly_ok, value=st.integers(0, 1), follow=st.booleans())
    @precondition(lambda self: self.claims)
    def complete_anything(self, data: st.DataObject, outcome: RunState, value: int, follow: bool) -> None:
        """Any claims ever made: some were answered before, some are too late, and must change nothing."""
        chosen = data.draw(st.lists(st.sampled_from(self.claims), min_size=1, max_size=4, unique_by=lambda c: c.run_id))
        self._complete(chosen, outcome, value, follow=follow)

    @rule(stages=st.integers(1, 4), owner=st.integers(0, 2), value=st.integers(0, 1))
    @precondition(lambda self: any(r.claimable for r in self.model.runs.values()))
    def carry_on(self, stages: int, owner: int, value: int) -> None:
        """What a worker does when nothing goes wrong."""
        for _ in range(stages):
            for first in [r for r in self.model.runs.values() if r.claimable][:1]:
                able = [r for r in self._of_stage(first.name) if r is first]
                claims = self.mill.claim(first.name, 99, owner=self.owners[owner], run_ids=[first.id]) if able else []
                self._claimed(able, claims, owner, start=True)
                self._complete(claims, RunState.OK, value, follow=True) if claims else None

    @rule(value=st.integers(0, 1))
    @precondition(lambda self: any(r.claimable for r in self.model.runs.values()))
    def carry_far(self, value: int) -> None:
        self.carry_on(4, 0, value)

    def _held(self) -> list[Claim]:
        runs = self.model.runs
        return [c for c in self.claims if runs[c.run_id].state == "leased" and runs[c.run_id].token == c.token]

    def _complete(self, chosen: list[Claim], outcome: RunState, value: int, *, follow: bool) -> None:
        files = {"cutout": StoredFile(digest(f"cutout {value}"), value, "image/png")} if outcome is RunState.OK else {}
        answers = [Answer(c, outcome, OUTCOMES[outcome], data={"v": value}, artifacts=files) for c in chosen]
        given = ModelResult(str(outcome), OUTCOMES[outcome], str(value), tuple((n, f.sha256) for n, f in files.items()))
        before = self._leaders()
        with self.database.begin() as connection:
            ended = results.complete(connection, answers, self.mill.profile).ended
        assert ended == self.model.complete([(c.run_id, c.token, given) for c in chosen])
        self._adopt(before)
        if follow and ended:
            self._settle_followers(set(ended))

    @rule(owner=st.integers(0, 2), crashed=st.booleans())
    @precondition(lambda self: self._held())
    def release(self, owner: int, crashed: bool) -> None:
        before = self._leaders()
        with self.database.begin() as connection:
            ledger.release(connection, self.owners[owner], crashed=crashed)
        held = [r for r in self.model.runs.values() if r.state == "leased" and r.owner == self.owners[owner]]
        self.model.reopen(held, crashed=crashed)
        self._adopt(before)

    @rule(owner=st.integers(0, 2), data=st.data())
    @precondition(lambda self: any(r.overdue for r in self.model.runs.values()))
    def heartbeat(self, owner: int, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model.runs)), max_size=4))
        with self.database.begin() as connection:
            ledger.heartbeat(connection, self.owners[owner], ids)
        for run_id in ids:
            run = self.model.runs[run_id]
            if run.state == "leased" and run.owner == self.owners[owner]:
                run.overdue = False

    # --- what time and control do

    @rule(data=st.data())
    @precondition(lambda self: any(r.state == "leased" for r in self.model.runs.values()))
    def run_out(self, data: st.DataObject) -> None:
        leased = sorted(r.id for r in self.model.runs.values() if r.state == "leased")
        ids = data.draw(st.lists(st.sampled_from(leased), min_size=1, max_size=4, unique=True))
        self.mill.overdue(ids)
        for run_id in ids:
            self.model.runs[run_id].overdue = True

    @rule()
    @precondition(lambda self: any(r.overdue for r in self.model.runs.values()))
    def expire(self) -> None:
        with self.database.begin() as connection:
            reopened = ledger.expire(connection)
        overdue = [r for r in self.model.runs.values() if r.state == "leased" and r.overdue]
        assert {r.run_id for r in reopened} == {r.id for r in overdue}
        self.model.reopen(overdue, crashed=False)

    @rule()
    @precondition(lambda self: any(r.waits_for is not None for r in self.model.runs.values()))
    def settle_followers(self) -> None:
        self._settle_followers(None)
        assert violations(self.database, settled=True) == []

    def _settle_followers(self, leaders: set[int] | None) -> None:
        before = self._leaders()
        with self.database.begin() as connection:
            results.settle_followers(connection, sorted(leaders) if leaders is not None else None)
        self.model.follow(leaders)
        self._adopt(before)

    @rule(window=st.integers(1, 6))
    @precondition(lambda self: any(not s.runs and not s.over for s in self.model.scans))
    def admit(self, window: int) -> None:
        before = self._leaders()
        bulk = [s for s in self.model.scans if s.lane is Lane.BULK]
        waiting = [s for s in bulk if not s.runs and not s.over]
        room = window - sum(1 for s in bulk if s.runs and not s.over)
        with self.database.begin() as connection:
            admission.admit(connection, window)
        for scan in waiting[: max(0, room)]:
            self.model.expand(scan, self._ids(scan))
        self._adopt(before)

    @rule()
    def fold_counts(self) -> None:
        with self.database.begin() as connection:
            admission.fold_counts(connection)


def machine(database: Database, examples: int, steps: int, *, fixed: bool) -> None:
    run_state_machine_as_test(
        partial(LedgerMachine, database),  # type: ignore[arg-type]  # any callable that makes one
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=fixed,
            database=None,
            phases=[Phase.generate] if fixed else [Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_ledger_does_what_the_model_does(database: Database) -> None:
    machine(database, 40, 30, fixed=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_ledger_does_what_the_model_does_at_length(database: Database) -> None:
    machine(database, 400, 120, fixed=False)
