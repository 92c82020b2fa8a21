"""The state machine of one scan, over every shape of pipeline that hypothesis can think of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import RunState, ScanStatus
from pipeline.errors import UPSTREAM_NOT_OK
from pipeline.progress import Ending, StageNeeds, Verdict, advance, verdict
from pipeline.systems import PIPELINES

OPEN = [state for state in RunState if not state.terminal]
ENDED = [state for state in RunState if state.terminal]


def ending(state: RunState) -> Ending:
    return Ending(state, None if state in (RunState.OK, *OPEN) else f"CODE_{state.upper()}")


@st.composite
def scans(draw: st.DrawFn) -> tuple[list[StageNeeds], dict[str, Ending]]:
    """Any stages in a valid order, each run in any state."""
    stages = []
    for n in range(draw(st.integers(1, 8))):
        earlier = st.lists(st.sampled_from([f"s{i}" for i in range(n)]), unique=True) if n else st.just([])
        needs = draw(earlier)
        stages.append(StageNeeds(f"s{n}", tuple(needs), tuple(name for name in draw(earlier) if name not in needs)))
    return stages, {stage.name: ending(draw(st.sampled_from(RunState))) for stage in stages}


def after(runs: Mapping[str, Ending], moves: Mapping[str, Ending]) -> dict[str, Ending]:
    return {**runs, **moves}


@given(scans())
def test_only_blocked_runs_move_and_only_when_all_they_wait_for_has_ended(
    scan: tuple[list[StageNeeds], dict[str, Ending]],
) -> None:
    stages, runs = scan
    moves = advance(stages, runs)
    now = after(runs, moves)
    for stage in stages:
        waited_for = [now[name].state for name in (*stage.needs, *stage.optional)]
        if stage.name in moves:
            assert runs[stage.name].state is RunState.BLOCKED
            assert all(state.terminal for state in waited_for)
        elif runs[stage.name].state is RunState.BLOCKED:
            assert not all(state.terminal for state in waited_for), "it could have moved"


@given(scans())
def test_a_ready_run_has_every_need_ok_and_a_skipped_one_has_not(
    scan: tuple[list[StageNeeds], dict[str, Ending]],
) -> None:
    stages, runs = scan
    moves = advance(stages, runs)
    now = after(runs, moves)
    for stage in stages:
        fine = all(now[name].state is RunState.OK for name in stage.needs)
        if stage.name in moves:
            assert moves[stage.name] == (Ending(RunState.READY) if fine else Ending(RunState.SKIPPED, UPSTREAM_NOT_OK))


@given(scans())
def test_skips_cascade_in_one_call(scan: tuple[list[StageNeeds], dict[str, Ending]]) -> None:
    stages, runs = scan
    assert advance(stages, after(runs, advance(stages, runs))) == {}


@given(scans(), st.data())
def test_every_scan_comes_to_its_end_and_only_one(
    scan: tuple[list[StageNeeds], dict[str, Ending]], data: st.DataObject
) -> None:
    """However stages end, and in whatever order: nothing is left blocked, and nothing moves twice."""
    stages, _ = scan
    runs = {stage.name: Ending(RunState.BLOCKED) for stage in stages}
    moved: list[str] = []
    while moves := advance(stages, runs):
        moved += moves
        runs = after(runs, moves)
        assert verdict([*runs.values()]) is None or not any(m.state is RunState.READY for m in moves.values())
        ready = [name for name, run in runs.items() if run.state is RunState.READY]
        for name in data.draw(st.lists(st.sampled_from(ready), unique=True, min_size=1)) if ready else ():
            runs[name] = ending(data.draw(st.sampled_from(ENDED)))
        while not advance(stages, runs) and (ready := [n for n, r in runs.items() if r.state is RunState.READY]):
            runs[ready[0]] = ending(data.draw(st.sampled_from(ENDED)))
    assert sorted(moved) == sorted(runs)
    assert verdict([runs[stage.name] for stage in stages]) is not None


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=lambda p: str(p.system))
@given(data=st.data())
def test_the_report_of_every_system_always_runs(pipeline: object, data: st.DataObject) -> None:
    stages = [StageNeeds(s.name, s.needs, s.optional) for s in pipeline.stages]  # type: ignore[attr-defined]
    *others, report = stages
    assert report.needs == ()
    runs = {s.name: ending(data.draw(st.sampled_from(ENDED))) for s in others}
    assert advance(stages, {**runs, report.name: Ending(RunState.BLOCKED)}) == {report.name: Ending(RunState.READY)}


def test_a_stage_that_needs_nothing_is_ready_at_once() -> None:
    assert advance([StageNeeds("fetch")], {"fetch": Ending(RunState.BLOCKED)}) == {"fetch": Ending(RunState.READY)}


def _first(runs: Sequence[Ending], *states: RunState) -> str | None:
    return next(run.code for run in runs if run.state in states)


@given(st.lists(st.sampled_from(RunState), min_size=1, max_size=6))
def test_the_verdict_is_the_first_rule_that_matches(states: list[RunState]) -> None:
    runs = [ending(state) for state in states]
    found = verdict(runs)
    if any(not state.terminal for state in states):
        assert found is None
    elif RunState.REJECTED in states:
        assert found == Verdict(ScanStatus.REJECTED, _first(runs, RunState.REJECTED))
    elif states[-1] is not RunState.OK:
        causes = [run for run in runs if run.state in (RunState.FAILED, RunState.ABSTAINED)]
        assert found == Verdict(ScanStatus.FAILED, [*causes, runs[-1]][0].code), "the cause, not its consequence"
    elif RunState.FAILED in states or RunState.ABSTAINED in states:
        assert found == Verdict(ScanStatus.PARTIAL, _first(runs, RunState.FAILED, RunState.ABSTAINED))
    else:
        assert found == Verdict(ScanStatus.SUCCEEDED)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["ok", "ok"], Verdict(ScanStatus.SUCCEEDED)),
        (["ok", "skipped", "ok"], Verdict(ScanStatus.SUCCEEDED)),
        (["rejected", "skipped", "ok"], Verdict(ScanStatus.REJECTED, "CODE_REJECTED")),
        (["failed", "rejected", "failed"], Verdict(ScanStatus.REJECTED, "CODE_REJECTED")),
        (["ok", "abstained", "ok"], Verdict(ScanStatus.PARTIAL, "CODE_ABSTAINED")),
        (["failed", "abstained", "ok"], Verdict(ScanStatus.PARTIAL, "CODE_FAILED")),
        (["failed", "ok", "failed"], Verdict(ScanStatus.FAILED, "CODE_FAILED")),
        (["abstained", "ok", "skipped"], Verdict(ScanStatus.FAILED, "CODE_ABSTAINED")),
        (["ok", "ok", "skipped"], Verdict(ScanStatus.FAILED, "CODE_SKIPPED")),
        (["ok", "ok", "abstained"], Verdict(ScanStatus.FAILED, "CODE_ABSTAINED")),
        (["ok", "leased", "ok"], None),
        (["rejected", "blocked"], None),
    ],
)
def test_verdicts_by_example(states: list[str], expected: Verdict | None) -> None:
    assert verdict([ending(RunState(state)) for state in states]) == expected


def test_a_rejected_scan_says_the_first_reason_in_the_pipelines_order() -> None:
    runs = [Ending(RunState.REJECTED, "NOT_A_CAT"), Ending(RunState.REJECTED, "NO_FACE_DETECTED"), Ending(RunState.OK)]
    assert verdict(runs) == Verdict(ScanStatus.REJECTED, "NOT_A_CAT")
