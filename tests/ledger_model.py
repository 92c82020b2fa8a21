"""What the ledger should do, in plain Python and in memory: written from the promises, not from the SQL.

Where the ledger may choose (which of several equal runs leads, which of several ready runs is claimed), the model does
not predict; the machine checks the choice and adopts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.contracts import Lane

TERMINAL = {"ok", "skipped", "abstained", "rejected", "failed", "cancelled"}
Work = tuple[Any, ...]


@dataclass
class ModelResult:
    """The first answer to a piece of work."""

    state: str
    code: str | None
    data: str
    files: tuple[tuple[str, str], ...]

    @property
    def answer(self) -> Work:
        return (self.state, self.code, self.data, self.files)


@dataclass
class ModelRun:
    id: int
    spec: Mapping[str, Any]
    lane: Lane
    state: str = "blocked"
    code: str | None = None
    token: int = 0
    attempts: int = 0
    charged: int = 0
    company: int = 0
    owner: Any = None
    overdue: bool = False
    work: Work | None = None
    result: ModelResult | None = None
    waits_for: int | None = None
    reused: bool = False
    fresh: bool = False

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def over(self) -> bool:
        return self.state in TERMINAL

    @property
    def claimable(self) -> bool:
        return self.state == "ready" and self.waits_for is None

    @property
    def answer(self) -> Work:
        return self.result.answer if self.result else (self.state, self.code)


@dataclass
class ModelScan:
    id: Any
    number: int
    lane: Lane
    picture: str | None
    options: Mapping[str, bool]
    stages: Sequence[Mapping[str, Any]]
    status: str = "queued"
    code: str | None = None
    runs: dict[str, ModelRun] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=lambda: ["queued"])
    ends: list[tuple[str, str, str | None, bool]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.status not in ("queued", "running")

    def become(self, status: str, code: str | None = None) -> None:
        self.status, self.code = status, code
        self.statuses.append(status)

    def end(self, run: ModelRun, state: str, code: str | None, *, reused: bool = False) -> None:
        run.state, run.code, run.owner, run.reused = state, code, None, reused
        self.ends.append((run.name, state, code, reused))


class Model:
    """All scans of one tenant."""

    def __init__(self) -> None:
        self.scans: list[ModelScan] = []
        self.results: dict[Work, ModelResult] = {}

    @property
    def runs(self) -> dict[int, ModelRun]:
        return {run.id: run for scan in self.scans for run in scan.runs.values()}

    def scan_of(self, run_id: int) -> ModelScan:
        return next(s for s in self.scans for r in s.runs.values() if r.id == run_id)

    def expand(self, scan: ModelScan, ids: Mapping[str, int]) -> None:
        for spec in scan.stages:
            run = scan.runs[spec["name"]] = ModelRun(ids[spec["name"]], spec, scan.lane)
            if spec["switch"] and scan.options.get(spec["switch"]) is False:
                run.state, run.code = "skipped", "SWITCHED_OFF"
        self.settle([scan])

    def settle(self, scans: Iterable[ModelScan]) -> None:
        for scan in scans:
            if not scan.over:
                while sum(self._move(scan, run) for run in scan.runs.values()):
                    pass
                self._finish(scan)

    def _move(self, scan: ModelScan, run: ModelRun) -> bool:
        """Whether a blocked run moved."""
        if run.state != "blocked":
            return False
        needs = {name: scan.runs[name] for name in (*run.spec["needs"], *run.spec["optional"])}
        if not all(need.over for need in needs.values()):
            return False
        if any(scan.runs[name].state != "ok" for name in run.spec["needs"]):
            scan.end(run, "skipped", "UPSTREAM_NOT_OK")
            return True
        run.work = self._work(scan, run, needs)
        known = self.results.get(run.work) if run.work else None
        if known:
            run.result = known
            scan.end(run, known.state, known.code, reused=True)
        else:
            run.state, run.code, run.fresh = "ready", None, True
        return True

    @staticmethod
    def _work(scan: ModelScan, run: ModelRun, needs: Mapping[str, ModelRun]) -> Work | None:
        spec = run.spec
        basis = (spec["kind"], spec["version"], repr(sorted(spec["parameters"].items())))
        if not needs:
            return (basis, scan.picture) if scan.picture else None
        return (basis, tuple((name, needs[name].answer) for name in sorted(needs)))

    @staticmethod
    def _finish(scan: ModelScan) -> None:
        runs = list(scan.runs.values())
        begun = any(
            run.state not in ("ready", "blocked") for run in runs if not run.spec["needs"] + run.spec["optional"]
        )
        if scan.status == "queued" and begun:
            scan.become("running")
        if not all(run.over for run in runs):
            return
        rejected = [run.code for run in runs if run.state == "rejected"]
        incomplete = [run.code for run in runs if run.state in ("failed", "abstained")]
        if rejected:
            scan.become("rejected", rejected[0])
        elif runs[-1].state != "ok":
            scan.become("failed", [*incomplete, runs[-1].code][0])
        elif incomplete:
            scan.become("partial", incomplete[0])
        else:
            scan.become("succeeded")

    def complete(self, answers: Sequence[tuple[int, int, ModelResult]]) -> set[int]:
        """Answers as (run id, token, result), ``ready`` meaning again. The ids of those that ended."""
        runs = self.runs
        ours = [(runs[i], r) for i, token, r in answers if runs[i].state == "leased" and runs[i].token == token]
        for run, given in sorted(ours, key=lambda each: each[0].id):
            if given.state == "ready":
                run.state, run.code, run.owner = "ready", given.code, None
                continue
            result = given
            if given.state in ("ok", "rejected", "abstained"):
                result = run.result = self.results.setdefault(run.work or ("run", run.id), given)
            self.scan_of(run.id).end(run, result.state, result.code)
        if ours:
            self.settle({id(s): s for i, _, _ in answers for s in [self.scan_of(i)]}.values())
        return {run.id for run, given in ours if given.state != "ready"}

    def follow(self, leaders: set[int] | None = None) -> None:
        """Followers of ended runs stand where they stood before they waited, and move on."""
        runs = self.runs
        freed = [
            run
            for run in runs.values()
            if run.waits_for is not None
            and run.state == "ready"
            and runs[run.waits_for].state not in ("ready", "leased")
            if leaders is None or run.waits_for in leaders
        ]
        for run in freed:
            run.state, run.waits_for, run.work = "blocked", None, None
        self.settle({id(s): s for run in freed for s in [self.scan_of(run.id)]}.values())

    def reopen(self, runs: Iterable[ModelRun], *, crashed: bool, code: str = "POISON_INPUT") -> None:
        touched = []
        for run in runs:
            if crashed:
                run.charged = max(run.charged, 1) + (run.company == 1)
            run.token += 1
            run.overdue, run.owner = False, None
            if run.charged >= 4:
                scan = self.scan_of(run.id)
                scan.end(run, "failed", code)
                touched.append(scan)
            else:
                run.state, run.code = "ready", None
        self.settle(touched)

    def cancel(self, scan: ModelScan) -> str:
        if not scan.over:
            for run in scan.runs.values():
                if not run.over:
                    run.token += 1
                    run.state, run.code, run.owner, run.waits_for = "cancelled", "CANCELLED", None, None
            scan.become("cancelled", "CANCELLED")
        return scan.status
