"""The state machine of one scan as pure functions: what may start, what is skipped, how it ends (stdlib only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts import RunState, ScanStatus
from pipeline.errors import UPSTREAM_NOT_OK


@dataclass(frozen=True, slots=True)
class StageNeeds:
    """What a stage waits for: ``needs`` must end ok, ``optional`` must merely end."""

    name: str
    needs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run stands, and with which code."""

    state: RunState
    code: str | None = None


def advance(stages: Sequence[StageNeeds], runs: Mapping[str, Ending]) -> dict[str, Ending]:
    """Moves of blocked runs now that others have ended: to ``ready``, or to ``skipped`` where a need is not ok.

    A skip can end the wait of a later stage, so skips cascade in one call. ``stages`` stand in pipeline order.
    """
    moves: dict[str, Ending] = {}
    for stage in stages:
        if runs[stage.name].state is not RunState.BLOCKED:
            continue
        needed = [moves.get(name, runs[name]).state for name in stage.needs]
        waited_for = [*needed, *(moves.get(name, runs[name]).state for name in stage.optional)]
        if not all(state.terminal for state in waited_for):
            continue
        if all(state is RunState.OK for state in needed):
            moves[stage.name] = Ending(RunState.READY)
        else:
            moves[stage.name] = Ending(RunState.SKIPPED, UPSTREAM_NOT_OK)
    return moves


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a scan ended: its status, and the code of the run that decided it (None when it succeeded)."""

    status: ScanStatus
    code: str | None = None


def verdict(runs: Sequence[Ending]) -> Verdict | None:
    """How a scan ends whose runs stand so, in pipeline order with the report last; None while one is open.

    Cancelling is not decided here: a cancelled scan ends in the transaction that cancels it.
    """
    if not all(run.state.terminal for run in runs):
        return None

    def first(*states: RunState) -> Ending | None:
        return next((run for run in runs if run.state in states), None)

    if rejected := first(RunState.REJECTED):
        return Verdict(ScanStatus.REJECTED, rejected.code)
    incomplete = first(RunState.FAILED, RunState.ABSTAINED)
    if runs[-1].state is not RunState.OK:
        return Verdict(ScanStatus.FAILED, (incomplete or runs[-1]).code)
    if incomplete:
        return Verdict(ScanStatus.PARTIAL, incomplete.code)
    return Verdict(ScanStatus.SUCCEEDED)
