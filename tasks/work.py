"""The one way to do work: claim runs of a stage, run them, carry their scans on.

A Celery message calls ``work`` with ids, the poll thread calls it without; both claim from the ledger. After a commit
the successors that belong to this worker's queues are claimed at once, their arrays still in memory, with no trip
through Redis. Before each bulk micro-batch it looks for interactive work, which always goes first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from uuid import UUID

from db import ledger, pipelines
from db.inputs import stages_of
from db.ledger import Claim
from db.results import Completed
from db.session import Connection, Database
from db.settle import Ready
from pipeline.contracts import Lane
from pipeline.errors import StorageUnavailable
from pipeline.faults import fp
from tasks.metrics import FENCED, MICRO_BATCH
from tasks.queue import Doorbell
from tasks.registry import Registry, Runnable
from tasks.stage_runner import StageRunner

EXPECTED_BATCH_S = {Lane.INTERACTIVE: 0.25, Lane.BULK: 1.0}
"""A micro-batch is cut so that it should not take longer than this, whatever BATCH_SIZE says."""

TOGETHER = 4
"""Urgent scans that one child takes on at once when several wait: they share claims and commits, which cost a small
stage more than its work does. More would keep the first one waiting, and leave other children nothing."""

Watch = Callable[[Runnable, Sequence[Claim], bool], AbstractContextManager[None]]
"""Told of every micro-batch: its stage, its claims, and whether it was carried on (so no Celery message named it)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A stage to claim runs of: those of ``run_ids``, or when None the first ``room`` in the queues.

    Urgent named ones take others along that wait for the same stage, up to ``room`` in all.
    """

    stage_id: int
    lane: Lane
    run_ids: tuple[int, ...] | None
    room: int = 0

    def left(self, claims: Sequence[Claim]) -> list[Turn]:
        """What is left of the turn when some of its runs were claimed."""
        if self.run_ids is None:
            room = self.room - len(claims) if self.lane is Lane.BULK else 0
            return [replace(self, room=room)] if room > 0 else []
        taken = {claim.run_id for claim in claims}
        left = tuple(run_id for run_id in self.run_ids if run_id not in taken)
        return [replace(self, run_ids=left)] if left else []


def merged(turns: Iterable[Turn]) -> deque[Turn]:
    """The same work in the same order, with the named runs of one stage and lane in one turn, at the first's place."""
    found: list[Turn] = []
    place: dict[tuple[int, Lane], int] = {}
    for turn in turns:
        key = (turn.stage_id, turn.lane)
        if turn.run_ids is None or key not in place:
            if turn.run_ids is not None:
                place[key] = len(found)
            found.append(turn)
        else:
            first = found[place[key]]
            found[place[key]] = replace(first, run_ids=(*(first.run_ids or ()), *turn.run_ids))
    return deque(found)


class Hands:
    """One worker child at work. Only one thread works at a time."""

    def __init__(
        self,
        *,
        database: Database,
        runner: StageRunner,
        registry: Registry,
        bell: Doorbell,
        owner: UUID,
        queues: Sequence[str],
        batch_size: int,
        lease_s: float,
        watch: Watch = lambda *_: nullcontext(),
    ) -> None:
        self._database = database
        self._runner = runner
        self._registry = registry
        self._bell = bell
        self._owner = owner
        self._queues = tuple(queues)
        self._batch_size = batch_size
        self._lease_s = lease_s
        self._watch = watch
        self._busy = threading.Lock()
        self._seconds: dict[int, float] = {}
        self.stopping = threading.Event()
        self.current: tuple[int, ...] = ()
        """Ids of the runs at work now: the heartbeat keeps their leases, and no others."""

    def work(self, run_ids: Sequence[int] | None = None) -> int:
        """Work on the runs of a wake-up call that are still ready, or on whatever is first in the queues.

        Returns how many runs ended, carried ones included. Without ids it turns away (0) when the child is busy.
        Raises StorageUnavailable when the ledger is away; nothing is lost by that.
        """
        if not self._busy.acquire(blocking=run_ids is not None):
            return 0
        try:
            return self._carry_on(run_ids)
        finally:
            self._busy.release()

    def join(self, timeout_s: float) -> None:
        """Wait until nobody works here, but no longer than ``timeout_s``."""
        if self._busy.acquire(timeout=timeout_s):
            self._busy.release()

    def _carry_on(self, run_ids: Sequence[int] | None) -> int:
        todo = deque(self._first(Lane.BULK) if run_ids is None else self._called(run_ids))
        ended = 0
        carried = run_ids is None
        while todo and not self.stopping.is_set():
            turn, claims = self._claim(todo)
            if not claims:
                continue
            completed = self._run(self._registry.runnable[turn.stage_id], claims, carried)
            carried = True
            ended += len(completed.ended)
            todo = merged([*self._then(turn, claims, completed.ready), *todo])
            fp(f"{self._registry.runnable[turn.stage_id].spec.name}.after_ring")
        return ended

    def _then(self, turn: Turn, claims: Sequence[Claim], ready: Sequence[Ready]) -> list[Turn]:
        """What comes next: an urgent scan goes on to its end; bulk ones first do the stage together, up to BATCH_SIZE.

        A slow stage cuts small micro-batches. Carried on as they come they would make all the later ones small too.
        """
        onward, rest = self._pass_on(ready), turn.left(claims)
        return [*rest, *onward] if turn.lane is Lane.BULK else [*onward, *rest]

    def _called(self, run_ids: Sequence[int]) -> list[Turn]:
        with self._database.begin() as connection:
            groups = stages_of(connection, run_ids)
        if any(group.stage_id not in self._registry.runnable for group in groups):
            self._learn()
        return [
            Turn(group.stage_id, Lane(group.lane), group.run_ids, TOGETHER if group.lane == Lane.INTERACTIVE else 0)
            for group in groups
            if group.stage_id in self._registry.runnable
        ]

    def _first(self, lane: Lane) -> list[Turn]:
        """The turn of whatever is first in the queues, in that lane or a more urgent one; none when there is nothing."""
        self._learn()
        with self._database.begin() as connection:
            return self._next(connection, lane)

    def _next(self, connection: Connection, lane: Lane) -> list[Turn]:
        found = ledger.next_stage(connection, self._queues, list(self._registry.runnable), lane=lane)
        return [Turn(found.stage_id, found.lane, None, 1 if found.alone else self._batch_size)] if found else []

    def _learn(self) -> None:
        with self._database.begin() as connection:
            self._registry.learn(pipelines.every_stage(connection, after=self._registry.newest))

    def _limit(self, turn: Turn) -> int:
        """How many runs to claim. Of a stage that this child has not run yet, one: nobody knows how long it takes."""
        seconds = self._seconds.get(turn.stage_id)
        if seconds is None:
            return 1
        most = self._batch_size if turn.run_ids is not None else turn.room
        return min(most, max(1, int(EXPECTED_BATCH_S[turn.lane] / seconds)))

    def _claim(self, todo: deque[Turn]) -> tuple[Turn, list[Claim]]:
        """Take the next turn off ``todo`` and claim its runs; before a bulk turn, an interactive one if any waits."""
        with self._database.begin() as connection:
            if todo[0].lane is Lane.BULK:
                todo.extendleft(self._next(connection, Lane.INTERACTIVE))
            turn = todo.popleft()
            limit = self._limit(turn)
            claims = ledger.claim(
                connection,
                self._owner,
                turn.stage_id,
                limit,
                run_ids=turn.run_ids,
                others=min(limit, turn.room),
                lease_s=self._lease_s,
            )
        spec = self._registry.runnable[turn.stage_id].spec
        if claims and not spec.waits_for_others:
            with suppress(StorageUnavailable), self._database.begin() as connection:  # else their end will say it
                ledger.start(connection, [claim.scan_id for claim in claims])
        return turn, claims

    def _run(self, runnable: Runnable, claims: list[Claim], carried: bool) -> Completed:
        began = time.perf_counter()
        self.current = tuple(claim.run_id for claim in claims)
        try:
            with self._watch(runnable, claims, carried):
                completed = self._runner.run(runnable, claims)
        finally:
            self.current = ()
        each = (time.perf_counter() - began) / len(claims)
        before = self._seconds.get(runnable.spec.id, each)
        self._seconds[runnable.spec.id] = 0.7 * before + 0.3 * each
        MICRO_BATCH.labels(runnable.spec.name).observe(len(claims))
        FENCED.labels(runnable.spec.name).inc(len(claims) - len(completed.ended))
        return completed

    def _pass_on(self, ready: Sequence[Ready]) -> list[Turn]:
        """Ring for runs of other workers' queues; the turns of those that this child carries on itself."""
        self._bell.ring(each for each in ready if each.queue not in self._queues)
        mine: dict[tuple[int, int], list[int]] = {}
        for each in ready:
            if each.queue in self._queues and each.stage_id in self._registry.runnable:
                mine.setdefault((each.lane, each.stage_id), []).append(each.run_id)
        return [Turn(stage_id, Lane(lane), tuple(ids)) for (lane, stage_id), ids in sorted(mine.items())]
