"""A pipeline without pixels, for tests of the ledger: publish it, submit to it, claim, answer, and look.

The shape is cat_face's in small: a source, a chain, a fan-out of two, a switch, and a report that always runs.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from db import admission, ledger, pipelines, results, scans, tenants
from db.ledger import Claim
from db.results import Answer, Completed
from db.scans import NewScan, Submitted
from db.session import Database
from db.sql import row, rows, run
from pipeline.contracts import InputKind, Lane, Queue, RunState

PROFILE = "test-profile"

JsonObject = dict[str, Any]


def stage(
    name: str,
    needs: Sequence[str] = (),
    optional: Sequence[str] = (),
    *,
    kind: str | None = None,
    version: int = 1,
    queue: Queue = Queue.CPU,
    switch: str | None = None,
    reuse_for_s: float | None = None,
    parameters: Mapping[str, Any] | None = None,
    models: Mapping[str, str] | None = None,
) -> JsonObject:
    """One stage of a specification, as ``Pipeline.specification`` writes it."""
    return {
        "name": name,
        "kind": kind or name,
        "version": version,
        "queue": str(queue),
        "deadline_s": 60.0,
        "needs": list(needs),
        "optional": list(optional),
        "switch": switch,
        "reuse_for_s": reuse_for_s,
        "parameters": dict(parameters or {}),
        "models": dict(models or {}),
    }


def small_pipeline(system: str = "small", **changed: Mapping[str, Any]) -> JsonObject:
    """Fetch → look → left, right → report; ``extra`` can be switched off. ``changed`` replaces fields by stage name."""
    stages = [
        stage("fetch"),
        stage("look", ["fetch"], queue=Queue.GPU),
        stage("left", ["look"], queue=Queue.GPU, parameters={"side": "left"}),
        stage("right", ["look"], queue=Queue.GPU, parameters={"side": "right"}),
        stage("extra", ["left"], switch="extra"),
        stage("report", [], ["fetch", "look", "left", "right", "extra"]),
    ]
    return {"system": system, "stages": [{**each, **changed.get(each["name"], {})} for each in stages]}


def one_stage(system: str = "single") -> JsonObject:
    """The smallest pipeline: its only stage is its report."""
    return {"system": system, "stages": [stage("report")]}


def digest(text: str) -> str:
    """A SHA-256 for a picture that need not exist."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Mill:
    """A tenant with a published pipeline and a registered worker, on a real database."""

    database: Database
    specification: JsonObject = field(default_factory=small_pipeline)
    tenant_name: str = "acme"
    profile: str = PROFILE
    owner: UUID = field(default_factory=uuid.uuid4)
    tenant_id: UUID = field(init=False)
    stage_ids: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        with self.database.begin() as connection:
            self.tenant_id = tenants.create_tenant(connection, self.tenant_name)
            ledger.register(connection, self.owner, "node", 1, self.profile)
        self.publish(self.specification)

    def publish(self, specification: JsonObject) -> None:
        """Make a version current; ``stage_ids`` then names its stages."""
        self.specification = specification
        with self.database.begin() as connection:
            pipeline_id = pipelines.publish(connection, specification)
            self.stage_ids = {s.name: s.id for s in pipelines.stages(connection, pipeline_id)}

    def new(self, picture: str | None = None, lane: Lane = Lane.INTERACTIVE, **more: Any) -> NewScan:
        return NewScan(
            tenant_id=more.pop("tenant_id", self.tenant_id),
            system=self.specification["system"],
            lane=lane,
            input_kind=InputKind.UPLOAD if picture else InputKind.URL,
            input_ref=f"key/{picture}" if picture else "https://example.test/cat.png",
            input_sha256=digest(picture) if picture else None,
            options=more.pop("options", {}),
            **more,
        )

    def submit(self, picture: str | None = None, lane: Lane = Lane.INTERACTIVE, **more: Any) -> Submitted:
        """Accept a scan; an interactive one begins, as if control let in all that come."""
        with self.database.begin() as connection:
            made = scans.submit(connection, self.new(picture, lane, **more))
            if lane is Lane.INTERACTIVE and made.created and not made.ready:
                return replace(made, ready=admission.admit_interactive(connection, 10_000))
            return made

    def claim(self, stage_name: str, limit: int = 16, owner: UUID | None = None, **more: Any) -> list[Claim]:
        with self.database.begin() as connection:
            return ledger.claim(connection, owner or self.owner, self.stage_ids[stage_name], limit, **more)

    def complete(self, answers: Sequence[Answer]) -> Completed:
        """End runs, then let their followers go on, as the stage runner does."""
        with self.database.begin() as connection:
            done = results.complete(connection, answers, self.profile)
        with self.database.begin() as connection:
            results.settle_followers(connection, sorted(done.ended))
        return done

    def finish(self, *stage_names: str) -> int:
        """Claim and answer everything claimable of these stages (all of them, by default), until nothing is left."""
        total = 0
        while ended := sum(
            len(self.complete([ok(claim) for claim in claims]).ended)
            for claims in (self.claim(name) for name in stage_names or self.stage_ids)
            if claims
        ):
            total += ended
        return total

    def run(self, scan_id: UUID, stage_name: str) -> Any:
        """The row of one stage run."""
        with self.database.begin() as connection:
            return row(
                connection,
                "SELECT * FROM stage_run WHERE scan_id = :scan AND stage_id = :stage",
                scan=scan_id,
                stage=self.stage_ids[stage_name],
            )

    def states(self, scan_id: UUID) -> dict[str, str]:
        """Stage name → state, and with its code where it has one: ``skipped UPSTREAM_NOT_OK``."""
        found = self.query(
            """SELECT s.name, r.state, r.code FROM stage_run r JOIN stage s ON s.id = r.stage_id
               WHERE r.scan_id = :scan ORDER BY s.position""",
            scan=scan_id,
        )
        return {r.name: f"{r.state} {r.code}" if r.code else r.state for r in found}

    def status(self, scan_id: UUID) -> str:
        """Status of a scan, with its code where it has one."""
        (r,) = self.query("SELECT status, code FROM scan WHERE id = :id", id=scan_id)
        return f"{r.status} {r.code}" if r.code else str(r.status)

    def query(self, statement: str, **parameters: object) -> Sequence[Any]:
        with self.database.begin() as connection:
            return rows(connection, statement, **parameters)

    def execute(self, statement: str, **parameters: object) -> int:
        with self.database.begin() as connection:
            return run(connection, statement, **parameters)

    def overdue(self, run_ids: Sequence[int] | None = None) -> None:
        """Make leases run out now: those of these runs, or all."""
        self.execute(
            """UPDATE stage_run SET lease_until = clock_timestamp() - interval '1 second'
               WHERE state = 'leased' AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(CAST(:ids AS bigint[])))""",
            ids=list(run_ids) if run_ids is not None else None,
        )


def ok(claim: Claim, **data: Any) -> Answer:
    """An answer that depends on the work alone, as a stage's would."""
    found = data or {"answer": (claim.work or f"run {claim.run_id}")[:12]}
    return Answer(claim, RunState.OK, data=found, provenance={"stage_version": 1}, compute_ms=1.0)


def ends(claim: Claim, outcome: RunState, code: str, **more: Any) -> Answer:
    """Any other end."""
    return Answer(claim, outcome, code, compute_ms=1.0, **more)


def new_owners() -> Iterator[UUID]:
    """Owners that no worker registered."""
    while True:
        yield uuid.uuid4()
