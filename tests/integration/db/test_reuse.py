"""Make for images: an equal fingerprint is answered once, and only what changed is computed again."""

from __future__ import annotations

from dataclasses import replace

from db import ledger, scans, views
from db.admission import admit
from db.results import StoredFile, settle_followers
from pipeline.contracts import Lane, RunState
from tests.ledger import Mill, digest, ends, ok, small_pipeline

STAGES = ("fetch", "look", "left", "right", "extra", "report")


def computed(mill: Mill) -> int:
    """How often anything was claimed so far."""
    (r,) = mill.query("SELECT coalesce(sum(attempts), 0) AS n FROM stage_run")
    return int(r.n)


def follow(mill: Mill) -> int:
    """What control does each turn."""
    with mill.database.begin() as connection:
        return len(settle_followers(connection))


def test_the_same_picture_again_costs_nothing(mill: Mill) -> None:
    first = mill.submit("cat").scan_id
    mill.finish()
    before = computed(mill)
    again = mill.submit("cat")
    assert again.ready == []
    assert mill.status(again.scan_id) == "succeeded"
    assert computed(mill) == before
    for name in STAGES:
        assert mill.run(again.scan_id, name).reused_from == mill.run(first, name).id
        assert mill.run(again.scan_id, name).result_id == mill.run(first, name).result_id
    with mill.database.begin() as connection:
        shown = views.get(connection, mill.tenant_id, again.scan_id)
        assert shown is not None and all(stage["reused"] for stage in shown["stages"])


def test_an_answer_that_depends_on_an_option_is_that_option_s_alone(mill: Mill) -> None:
    reads = {"side": "left", "options": ["asset_type"], "option_values": ["pump", "fan"], "any_value": False}
    mill.publish(small_pipeline(left={"parameters": reads}))
    mill.submit("cat", options={"asset_type": "pump"})
    mill.finish()
    same, other = (mill.submit("cat", options={"asset_type": kind}) for kind in ("pump", "fan"))
    assert same.ready == [] and [each.stage for each in other.ready] == ["left"]
    assert mill.states(mill.submit("cat").scan_id)["left"] == "ready", "and so is the answer to none"


def test_another_picture_another_tenant_or_unknown_bytes_are_computed(mill: Mill) -> None:
    mill.submit("cat")
    mill.finish()
    assert mill.states(mill.submit("dog").scan_id)["fetch"] == "ready"
    assert mill.states(mill.submit(None).scan_id)["fetch"] == "ready"
    other = Mill(mill.database, tenant_name="other")
    assert other.states(other.submit("cat").scan_id)["fetch"] == "ready"


def test_bytes_that_turn_out_equal_are_reused_from_there_on(mill: Mill) -> None:
    mill.submit("cat")
    mill.complete([ok(c, sha256="cat's") for c in mill.claim("fetch")])
    mill.finish()
    fetched = mill.submit(None).scan_id
    mill.complete([ok(c, sha256="cat's") for c in mill.claim("fetch")])
    assert mill.status(fetched) == "succeeded"
    assert mill.run(fetched, "look").attempts == 0


def test_a_changed_stage_is_computed_again_with_what_depends_on_it_and_nothing_else(mill: Mill) -> None:
    mill.submit("cat")
    mill.finish()
    mill.publish(small_pipeline(right={"parameters": {"side": "right", "margin": 2}}))
    scan = mill.submit("cat").scan_id
    assert mill.finish() == 2
    attempts = {name: mill.run(scan, name).attempts for name in STAGES}
    assert attempts == {"fetch": 0, "look": 0, "left": 0, "right": 1, "extra": 0, "report": 1}
    assert mill.status(scan) == "succeeded"


def test_what_is_computed_alike_after_a_change_ends_the_recomputing(mill: Mill) -> None:
    """The report reads results, not versions: a new version with the old answer costs one stage."""
    mill.submit("cat")
    for name in STAGES:
        mill.complete([ok(c, same=name) for c in mill.claim(name)])
    mill.publish(small_pipeline(right={"version": 2}))
    scan = mill.submit("cat").scan_id
    mill.complete([ok(c, same="right") for c in mill.claim("right")])
    assert (mill.status(scan), mill.run(scan, "report").attempts) == ("succeeded", 0)


def test_a_new_model_is_computed_a_new_name_only_by_who_reads_it(mill: Mill) -> None:
    mill.submit("cat")
    mill.finish()
    mill.publish(small_pipeline(look={"models": {"net": "a" * 64}}))
    assert mill.states(mill.submit("cat").scan_id)["look"] == "ready"
    mill.finish()
    renamed = small_pipeline(look={"models": {"net": "a" * 64}})
    renamed["stages"][2]["name"] = "port"
    renamed["stages"][4]["needs"] = ["port"]
    renamed["stages"][5]["optional"] = ["fetch", "look", "port", "right", "extra"]
    mill.publish(renamed)
    states = mill.states(mill.submit("cat").scan_id)
    assert states == {**dict.fromkeys(("fetch", "look", "port", "right"), "ok"), "extra": "ready", "report": "blocked"}


def test_a_verdict_is_an_answer_and_reused_a_failure_is_not(mill: Mill) -> None:
    mill.submit("dog")
    mill.finish("fetch")
    mill.complete([ends(c, RunState.REJECTED, "NOT_A_CAT", data={"sure": 0.9}) for c in mill.claim("look")])
    mill.finish()
    again = mill.submit("dog").scan_id
    assert (mill.status(again), mill.run(again, "look").attempts) == ("rejected NOT_A_CAT", 0)
    broken = mill.submit("cow").scan_id
    mill.finish("fetch")
    mill.complete([ends(c, RunState.FAILED, "INTERNAL_ERROR") for c in mill.claim("look")])
    mill.finish()
    assert mill.run(broken, "look").result_id is None
    assert mill.states(mill.submit("cow").scan_id)["look"] == "ready"


def test_an_answer_older_than_its_stage_takes_is_computed_again_and_is_young_again(mill: Mill) -> None:
    mill.publish(small_pipeline(look={"reuse_for_s": 60.0}))
    first = mill.submit("cat").scan_id
    mill.finish()
    assert mill.status(mill.submit("cat").scan_id) == "succeeded"
    mill.execute("UPDATE result SET created_at = created_at - interval '2 minutes'")
    late = mill.submit("cat").scan_id
    assert (mill.states(late)["fetch"], mill.states(late)["look"]) == ("ok", "ready")
    mill.finish()
    assert {name: mill.run(late, name).attempts for name in STAGES} == {**dict.fromkeys(STAGES, 0), "look": 1}
    assert mill.run(late, "look").result_id == mill.run(first, "look").result_id
    assert mill.run(mill.submit("cat").scan_id, "look").attempts == 0


def test_a_stage_without_reuse_is_computed_each_time_and_waits_for_nobody(mill: Mill) -> None:
    mill.publish(small_pipeline(look={"reuse_for_s": 0.0}))
    mill.submit("cat")
    mill.finish()
    scans_of_it = [mill.submit("cat").scan_id for _ in range(2)]
    assert len(mill.claim("look")) == 2
    assert [mill.run(each, "fetch").attempts for each in scans_of_it] == [0, 0]


def test_a_profile_that_no_living_worker_has_is_not_reused(mill: Mill) -> None:
    mill.submit("cat")
    mill.finish()
    mill.execute("UPDATE worker SET seen_at = clock_timestamp() - interval '25 hours'")
    old = mill.submit("cat").scan_id
    assert mill.states(old)["fetch"] == "ready"
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, old)
        ledger.heartbeat(connection, mill.owner, [])
    assert mill.status(mill.submit("cat").scan_id) == "succeeded"


def test_an_expired_file_is_made_again(mill: Mill) -> None:
    cut = StoredFile(digest("cut"), 3, "image/png")
    mill.submit("cat")
    mill.finish("fetch")
    mill.complete([replace(ok(c, n=1), artifacts={"cutout": cut}) for c in mill.claim("look")])
    mill.finish()
    assert mill.status(mill.submit("cat").scan_id) == "succeeded"
    mill.execute("UPDATE artifact SET expired_at = clock_timestamp()")
    scan = mill.submit("cat").scan_id
    assert mill.states(scan)["look"] == "ready"
    mill.complete([replace(ok(c, n=1), artifacts={"cutout": cut}) for c in mill.claim("look")])
    with mill.database.begin() as connection:
        found = views.artifact(connection, mill.tenant_id, scan, "cutout")
    assert found is not None and not found.expired
    assert len(mill.query("SELECT 1 FROM result WHERE work = :w", w=mill.run(scan, "look").work)) == 1


def test_the_first_result_of_a_fingerprint_stands_and_is_never_added_to(mill: Mill) -> None:
    mill.submit("cat")
    mill.submit("dog")
    claims = mill.claim("fetch")
    twins = [replace(c, work="same") for c in claims]
    files = [{"a": StoredFile(digest("a"), 1, "image/png")}, {"b": StoredFile(digest("b"), 1, "image/png")}]
    mill.complete([replace(ok(c, n=n), artifacts=files[n]) for n, c in enumerate(twins)])
    mill.submit("cow")
    (late,) = mill.claim("fetch")
    mill.complete([replace(ok(replace(late, work="same"), n=9), artifacts=files[1])])
    (result,) = mill.query("SELECT * FROM result WHERE work = 'same'")
    assert result.data == {"n": 0}
    assert [r.name for r in mill.query("SELECT name FROM result_artifact WHERE result_id = :r", r=result.id)] == ["a"]
    assert {mill.run(c.scan_id, "fetch").result_id for c in (*claims, late)} == {result.id}


def test_an_equal_picture_waits_for_the_one_at_work_and_takes_its_answer(mill: Mill) -> None:
    leader = mill.submit("cat").scan_id
    (held,) = mill.claim("fetch")
    follower = mill.submit("cat")
    assert follower.ready == []
    assert mill.run(follower.scan_id, "fetch").waits_for == held.run_id
    assert mill.claim("fetch") == []
    mill.complete([ok(held)])
    assert mill.states(follower.scan_id)["fetch"] == "ok"
    assert mill.run(follower.scan_id, "look").waits_for == mill.run(leader, "look").id
    mill.finish()
    assert [mill.status(scan) for scan in (leader, follower.scan_id)] == ["succeeded"] * 2
    assert mill.run(follower.scan_id, "report").attempts == 0


def test_equal_pictures_that_become_ready_together_are_computed_once(mill: Mill) -> None:
    mill.submit("cat")
    mill.submit("twin of cat")
    mill.complete([ok(c, sha256="cat's") for c in mill.claim("fetch")])
    assert len(mill.claim("look")) == 1


def test_followers_of_a_failed_or_cancelled_leader_go_on_by_themselves_one_by_one(mill: Mill) -> None:
    leader = mill.submit("cat").scan_id
    followers = [mill.submit("cat").scan_id for _ in range(3)]
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, leader)
    assert follow(mill) == 1
    assert follow(mill) == 0
    (held,) = mill.claim("fetch")
    assert held.scan_id == followers[0]
    mill.complete([ends(held, RunState.FAILED, "INTERNAL_ERROR")])
    (held,) = mill.claim("fetch")
    assert held.scan_id == followers[1]
    mill.complete([ok(held)])
    mill.finish()
    assert [mill.status(f) for f in followers] == ["partial INTERNAL_ERROR", "succeeded", "succeeded"]


def test_followers_of_a_poisoned_leader_are_not_poisoned_by_it(mill: Mill) -> None:
    leader = mill.submit("cat").scan_id
    follower = mill.submit("cat").scan_id
    for _ in range(3):
        assert len(mill.claim("fetch")) == 1
        with mill.database.begin() as connection:
            ledger.release(connection, mill.owner, crashed=True)
    assert mill.states(leader)["fetch"] == "failed POISON_INPUT"
    assert follow(mill) == 1
    assert mill.run(follower, "fetch").charged == 0
    mill.finish()
    assert mill.status(follower) == "succeeded"


def test_nobody_begins_to_wait_for_a_suspect(mill: Mill) -> None:
    mill.submit("cat")
    mill.claim("fetch")
    with mill.database.begin() as connection:
        ledger.release(connection, mill.owner, crashed=True)
    assert mill.run(mill.submit("cat").scan_id, "fetch").waits_for is None


def test_an_interactive_scan_never_waits_for_a_bulk_one(mill: Mill) -> None:
    bulk = mill.submit("cat", Lane.BULK).scan_id
    with mill.database.begin() as connection:
        admit(connection, 10)
    quick = mill.submit("cat").scan_id
    assert mill.run(quick, "fetch").waits_for is None
    assert mill.claim("fetch", 1)[0].scan_id == quick
    more = mill.submit("cat", Lane.BULK).scan_id
    with mill.database.begin() as connection:
        admit(connection, 10)
    assert mill.run(more, "fetch").waits_for == mill.run(bulk, "fetch").id


def test_a_follower_may_be_cancelled_and_a_leader_may_lose_its_lease(mill: Mill) -> None:
    leader = mill.submit("cat").scan_id
    gone, stays = (mill.submit("cat").scan_id for _ in range(2))
    mill.claim("fetch")
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, gone)
    mill.overdue()
    with mill.database.begin() as connection:
        ledger.expire(connection)
    assert follow(mill) == 0, "the leader is only ready again"
    mill.finish()
    assert [mill.status(s) for s in (leader, gone, stays)] == ["succeeded", "cancelled CANCELLED", "succeeded"]


def test_a_follower_missed_by_the_leaders_end_is_found_by_control(mill: Mill) -> None:
    """It joined while the leader was committing: the leader's own look came too early."""
    scan = mill.submit("cat").scan_id
    (held,) = mill.claim("fetch")
    with mill.database.begin() as connection:
        late = scans.submit(connection, mill.new("cat")).scan_id
        mill.complete([ok(held)])
    assert mill.run(late, "fetch").waits_for == held.run_id
    follow(mill)
    mill.finish()
    assert [mill.status(s) for s in (scan, late)] == ["succeeded", "succeeded"]


def test_an_answer_is_reused_by_its_profile_only_when_it_is_stored_under_it(mill: Mill) -> None:
    mill.submit("cat")
    mill.finish()
    other = Mill(mill.database, profile="other-profile")
    scan = other.submit("cat").scan_id
    assert other.status(scan) == "succeeded", "a living worker's profile counts, whoever asks"
    assert len(mill.query("SELECT DISTINCT profile FROM result")) == 1
