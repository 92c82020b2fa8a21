"""A plan says beforehand what doing a batch again computes: held to what the ledger counts afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from db import batch_again, batch_plan, batches
from db.batches import NewItem
from pipeline.contracts import InputKind, RunState
from pipeline.errors import BatchClosed
from tests.integration.db.test_batches import append, change, control, filled, items, opened
from tests.ledger import Mill, digest, ends, ok, small_pipeline

STAGES = ("fetch", "look", "left", "right", "extra", "report")
NEWER = {"models": {"eye": "digest of another file"}}


def planned(mill: Mill, batch: UUID, **options: bool | str) -> dict[str, Any]:
    with mill.database.begin() as connection:
        plan = batch_plan.begin(connection, mill.tenant_id, batch, options)
        assert plan is not None
        while plan.look(connection):
            pass
        return plan.told(connection)


def by_stage(plan: Mapping[str, Any], figure: str) -> dict[str, tuple[int, int]]:
    return {each["name"]: (each[figure]["least"], each[figure]["most"]) for each in plan["stages"]}


def again(mill: Mill, batch: UUID, **options: bool | str) -> UUID:
    """Do it, to the end."""
    with mill.database.begin() as connection:
        made = batch_again.reprocess(connection, mill.tenant_id, batch, name=None, options=options)
    assert made is not None
    work(mill)
    return made


def work(mill: Mill) -> None:
    for _ in range(3):
        control(mill)
        mill.finish()


def happened(mill: Mill, batch: UUID) -> dict[str, dict[str, int]]:
    """Stage → how many of its runs were computed, reused and skipped."""
    found = mill.query(
        """SELECT st.name, count(*) FILTER (WHERE r.attempts > 0) AS computed,
                  count(*) FILTER (WHERE r.reused_from IS NOT NULL) AS reused,
                  count(*) FILTER (WHERE r.state = 'skipped') AS skipped
           FROM scan s JOIN stage_run r ON r.scan_id = s.id JOIN stage st ON st.id = r.stage_id
           WHERE s.batch_id = :batch GROUP BY st.name, st.position ORDER BY st.position""",
        batch=batch,
    )
    return {r.name: {"computed": r.computed, "reused": r.reused, "skipped": r.skipped} for r in found}


def holds(plan: Mapping[str, Any], real: Mapping[str, Mapping[str, int]]) -> None:
    """Every count of the ledger lies where the plan said."""
    for each in plan["stages"]:
        for figure, count in real[each["name"]].items():
            span = each[figure]
            assert span["least"] <= count <= span["most"], (each["name"], figure, count, span)


@pytest.fixture
def done(mill: Mill) -> UUID:
    """Five lines, two of the same bytes, at their end; another batch had computed them."""
    batch = filled(mill, "a", "b", "c", "d")
    work(mill)
    batch = opened(mill)
    same = NewItem(custom_id="d again", ref="key/d", sha256=digest("d"))
    append(mill, batch, [*items("a", "b", "c", "d"), same, *items("torn", code="UNSUPPORTED_FORMAT")])
    change(mill, batches.finalise, batch)
    work(mill)
    return batch


def test_nothing_changed_costs_nothing(mill: Mill, done: UUID) -> None:
    plan = planned(mill, done)
    assert (plan["exact"], plan["lines"], plan["scans"], plan["refused"]) == (True, 6, 5, 1)
    assert (plan["computed"], plan["reused"]) == ({"least": 0, "most": 0}, {"least": 30, "most": 30})
    assert plan["work_s"] == {"likely": 0.0, "from": 0.0, "to": 0.0}
    assert not any(each["changed"] or each["follows"] for each in plan["stages"])
    real = happened(mill, again(mill, done))
    holds(plan, real)
    assert sum(each["computed"] for each in real.values()) == 0


def test_a_newer_model_computes_its_stage_and_what_follows(mill: Mill, done: UUID) -> None:
    mill.publish(small_pipeline(right=NEWER))
    plan = planned(mill, done)
    assert {each["name"]: each["changed"] for each in plan["stages"] if each["changed"]} == {"right": ["model"]}
    assert {each["name"]: each["follows"] for each in plan["stages"] if each["follows"]} == {"report": ["right"]}
    assert by_stage(plan, "computed") == dict.fromkeys(STAGES, (0, 0)) | {"right": (4, 4), "report": (0, 4)}
    assert by_stage(plan, "reused")["right"] == (1, 1), "equal pictures are computed once"
    assert by_stage(plan, "skipped")["report"] == (0, 0), "a report needs no stage to be ok"
    assert plan["work_s"]["likely"] == pytest.approx(0.008), "eight runs of a recorded millisecond"
    assert plan["work_s"]["from"] <= plan["work_s"]["likely"] <= plan["work_s"]["to"]
    assert (plan["slots"], plan["time_s"]["likely"]) == (1, pytest.approx(0.008))
    real = happened(mill, again(mill, done))
    holds(plan, real)
    assert {name: each["computed"] for name, each in real.items() if each["computed"]} == {"right": 4, "report": 4}


def test_a_threshold_that_changes_no_answer_leaves_the_rest_as_it_is(mill: Mill, done: UUID) -> None:
    mill.publish(small_pipeline(left={"parameters": {"side": "left", "threshold": 0.7}}))
    plan = planned(mill, done)
    assert [each["changed"] for each in plan["stages"] if each["name"] == "left"] == [["parameters"]]
    spans = by_stage(plan, "computed")
    assert (spans["left"], spans["extra"], spans["report"], spans["right"]) == ((4, 4), (0, 4), (0, 4), (0, 0))
    assert by_stage(plan, "skipped")["extra"] == (0, 5), "should left not be ok"
    with mill.database.begin() as connection:
        made = batch_again.reprocess(connection, mill.tenant_id, done, name=None, options={})
    assert made is not None
    control(mill)
    old = {r.sha: r.answer for r in mill.query(_LEFT, batch=done)}
    claims = mill.claim("left")
    mill.complete([ok(claim, answer=old[claim.input_sha256]) for claim in claims])
    work(mill)
    real = happened(mill, made)
    holds(plan, real)
    assert {name: each["computed"] for name, each in real.items() if each["computed"]} == {"left": 4}


_LEFT = """SELECT s.input_sha256 AS sha, result.data ->> 'answer' AS answer
           FROM scan s JOIN stage_run r ON r.scan_id = s.id JOIN stage st ON st.id = r.stage_id
                JOIN result ON result.id = r.result_id WHERE s.batch_id = :batch AND st.name = 'left'"""


def test_an_option_changes_what_it_switches_and_what_follows(mill: Mill, done: UUID) -> None:
    plan = planned(mill, done, extra=False)
    assert {each["name"]: each["changed"] for each in plan["stages"] if each["changed"]} == {"extra": ["option"]}
    assert by_stage(plan, "skipped")["extra"] == (5, 5)
    assert by_stage(plan, "computed")["report"] == (4, 4), "that a stage is off is known, so this is certain"
    real = happened(mill, again(mill, done, extra=False))
    holds(plan, real)
    assert real["report"] == {"computed": 4, "reused": 1, "skipped": 0}
    assert planned(mill, done, extra=False)["computed"] == {"least": 0, "most": 0}, "it is done now"


def test_a_choice_changes_who_reads_it_and_what_follows(mill: Mill, done: UUID) -> None:
    reads = {"side": "left", "options": ["asset_type"], "option_values": ["pump"], "any_value": False}
    mill.publish(small_pipeline(left={"parameters": reads}))
    again(mill, done)
    plan = planned(mill, done, asset_type="pump")
    assert {each["name"]: each["changed"] for each in plan["stages"] if each["changed"]} == {
        "left": ["parameters", "option"]
    }
    real = happened(mill, again(mill, done, asset_type="pump"))
    holds(plan, real)
    assert real["left"]["computed"] == 4 and real["right"]["computed"] == 0


def test_a_verdict_that_is_known_ends_the_plan_of_its_line(mill: Mill) -> None:
    batch = filled(mill, "cat", "dog")
    control(mill)
    mill.finish("fetch")
    claims = mill.claim("look")
    mill.complete(
        [ends(c, RunState.REJECTED, "NOT_A_CAT") if c.input_sha256 == digest("dog") else ok(c) for c in claims]
    )
    work(mill)
    mill.publish(small_pipeline(right=NEWER))
    plan = planned(mill, batch)
    assert (by_stage(plan, "computed")["right"], by_stage(plan, "skipped")["right"]) == ((1, 1), (1, 1))
    assert by_stage(plan, "computed")["report"] == (0, 1), "the dog's report has nothing new in it"
    holds(plan, happened(mill, again(mill, batch)))


def test_what_may_not_be_reused_and_what_must_be_fetched_is_computed(mill: Mill, done: UUID) -> None:
    mill.publish(small_pipeline(right={"reuse_for_s": 0.0}))
    plan = planned(mill, done)
    assert [each["changed"] for each in plan["stages"] if each["changed"]] == [["reuse"]]
    assert by_stage(plan, "computed")["right"] == (5, 5)
    holds(plan, happened(mill, again(mill, done)))
    mill.publish(small_pipeline(right={"reuse_for_s": 60.0}))
    assert by_stage(planned(mill, done), "computed")["right"] == (0, 0)
    mill.execute(
        """UPDATE result SET created_at = created_at - interval '1 hour',
                             computed_at = computed_at - interval '1 hour'"""
    )
    plan = planned(mill, done)
    assert by_stage(plan, "computed")["right"] == (4, 4), "too old to be taken"
    holds(plan, happened(mill, again(mill, done)))
    far = opened(mill)
    append(mill, far, [NewItem(custom_id="far", kind=InputKind.URL, ref="https://example.org/a.jpg")])
    change(mill, batches.finalise, far)
    work(mill)
    plan = planned(mill, far)
    assert (by_stage(plan, "computed")["fetch"], by_stage(plan, "computed")["look"]) == ((1, 1), (0, 1))
    holds(plan, happened(mill, again(mill, far)))


def test_pictures_that_are_gone_are_counted_apart(mill: Mill, done: UUID) -> None:
    mill.execute(
        """INSERT INTO artifact (tenant_id, sha256, size, media_type, expired_at)
           VALUES (:tenant, :a, 1, 'image/jpeg', clock_timestamp())""",
        tenant=mill.tenant_id,
        a=digest("a"),
    )
    mill.execute(
        "DELETE FROM scan WHERE id = (SELECT scan_id FROM batch_item WHERE batch_id = :b AND custom_id = 'b')", b=done
    )
    plan = planned(mill, done)
    assert (plan["scans"], plan["input_missing"], plan["refused"]) == (3, 2, 1)


def test_answers_of_a_runtime_that_is_gone_are_not_counted_on(mill: Mill, done: UUID) -> None:
    mill.execute("UPDATE worker SET seen_at = clock_timestamp() - interval '2 days'")
    plan = planned(mill, done)
    assert (by_stage(plan, "computed")["fetch"], plan["slots"], plan["time_s"]) == ((4, 4), 0, None)


def test_a_long_batch_is_judged_by_a_part_of_it(mill: Mill, done: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_plan, "MOST_LINES", 3)
    mill.publish(small_pipeline(right=NEWER))
    plan = planned(mill, done)
    assert (plan["exact"], plan["lines"]) == (False, 6)
    assert (plan["scans"], plan["refused"]) == (4, 2), "lines 2, 4 and 6 of 6, twice"
    assert by_stage(plan, "computed")["right"] == (4, 4)


def test_only_a_whole_batch_of_ones_own_has_a_plan(mill: Mill) -> None:
    with mill.database.begin() as connection:
        assert batch_plan.begin(connection, UUID(int=0), opened(mill), {}) is None
        with pytest.raises(BatchClosed):
            batch_plan.begin(connection, mill.tenant_id, opened(mill), {})
