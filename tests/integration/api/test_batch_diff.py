"""A difference over HTTP: heat maps from the ledger, the page with its links, the table of every changed line."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from api.diff_page import policy
from db import ledger
from db.results import Answer
from pipeline.contracts import RunState
from tests.integration.api.harness import Api, problem, stored_file
from tests.integration.api.test_batches import opened, say, turn, upload

pytest_plugins = ("tests.integration.api.fixtures",)

LEFT, RIGHT = [[1.0, 0.1], [0.8, 0.0]], [[0.1, 1.0], [0.0, 0.8]]


class Scripted(Api):
    """Whose classifier says and looks at what the test wants, and whose names are hostile."""

    chance = 0.9
    heat = LEFT

    def _answer(self, stage: str, claim: ledger.Claim, artifact: bytes) -> Answer:
        chances = {"normal": self.chance, "abnormal": round(1 - self.chance, 6)}
        label = max(chances, key=lambda name: chances[name])
        if stage == "build_report":
            report = {"findings": {"mouth": {"label": label, "probabilities": chances}}}
            return Answer(claim, RunState.OK, data={"report": report})
        if stage == "render_preview":
            stored = {
                name: stored_file(self.here, claim.tenant_id, name.encode()) for name in ("preview", "crop_mouth")
            }
            seen = {"region": "mouth", "cam": self.heat, "cam_method": "by hand"}
            return Answer(claim, RunState.OK, data=seen, artifacts=stored)
        return Answer(claim, RunState.OK, data={"of": str(claim.input_sha256)})


@pytest.fixture
def scripted(api: Api) -> Scripted:
    return Scripted(api.app, api.here, api.tokens, api.tenants)


def batch(api: Scripted, *names: str, chance: float = 0.9, heat: Any = LEFT, **options: bool) -> str:
    """A finished batch that was answered so; nothing of an earlier one is reused."""
    api.chance, api.heat = chance, heat
    with api.here.database.begin() as connection:
        connection.exec_driver_sql("UPDATE result SET work = 'old ' || id")
    made = opened(api, name="<b>portraits</b>", options=options)
    for name in names:
        upload(api, made, name)
    say(api, made, "finalise")
    turn(api)
    return made


def test_heat_maps_are_compared_by_what_they_show(scripted: Scripted) -> None:
    one = batch(scripted, "a.jpg", "b.jpg")
    other = batch(scripted, "a.jpg", "b.jpg", heat=RIGHT)
    found = scripted.call("GET", f"/v1/batches/{one}/diff/{other}?min_likeness=0").json
    assert (found["flips"], found["exceeded"], found["pass"]) == (0, ["likeness"], False)
    assert -1 <= found["likeness"] < -0.8
    assert found["regions"]["mouth"]["maps_compared"] == 2
    alike = scripted.call("GET", f"/v1/batches/{one}/diff/{one}").json
    assert (alike["likeness"], alike["worst"]) == (1.0, [])
    for wrong in ("min_likeness=-1.5", "min_likeness=x", "max_flips=-0.1"):
        response = scripted.call("GET", f"/v1/batches/{one}/diff/{other}?{wrong}")
        assert problem(response) == (422, "INVALID_FIELD"), wrong


def test_the_table_has_every_changed_line_and_no_other(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.batch_diff.PAGE", 2)
    names = [f"{n}.jpg" for n in range(7)]
    one = batch(scripted, *names, "=gone()")
    other = batch(scripted, *names[:6], chance=0.3)
    answer = scripted.call("GET", f"/v1/batches/{one}/diff/{other}/lines")
    found = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert [row["custom_id"] for row in found] == [*names[:6], names[6], "'=gone()"]
    assert [row["flips"] for row in found] == ['{"mouth": ["normal", "abnormal"]}'] * 6 + ["", ""]
    assert (found[0]["shift"], found[0]["iou"], found[0]["likeness"]) == ("0.6", "", "1.0")
    assert (found[6]["status_before"], found[6]["status_after"]) == ("succeeded", "")
    same = scripted.call("GET", f"/v1/batches/{one}/diff/{one}/lines").get_data(as_text=True)
    assert len(same.splitlines()) == 1, "only its header"


def test_the_page_shows_both_pictures_by_links_that_work_and_runs_nothing(scripted: Scripted) -> None:
    one = batch(scripted, "<script>.jpg", "b.jpg")
    other = batch(scripted, "<script>.jpg", "b.jpg", chance=0.3, heat=RIGHT)
    answer = scripted.call("GET", f"/v1/batches/{one}/diff/{other}/page?max_flips=0.5&min_likeness=-1")
    text = answer.get_data(as_text=True)
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("text/html", "private, no-store")
    assert "<script" not in text and "&lt;script&gt;.jpg" in text and "<b>portraits" not in text
    assert "beyond the limits" in text and "at most 50.00%" in text and "100.00%" in text
    links = [link.replace("&amp;", "&") for link in re.findall(r'<img[^>]* src="([^"]+)"', text)]
    assert len(links) == 8, "two lines, each twice its preview and its crop"
    assert {scripted.call("GET", link, None).status_code for link in links} == {200}
    tampered = links[0].replace("signature=", "signature=0")
    assert problem(scripted.call("GET", tampered, None)) == (404, "NOT_FOUND")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "'self'" and "unsafe" not in rules["style-src"]
    assert text.count("<article>") == 2
    bare = scripted.call("GET", f"/v1/batches/{one}/diff/{one}/page").get_data(as_text=True)
    assert "No line changed" in bare and "the limits" not in bare


def test_pictures_may_come_from_where_the_links_lead_and_from_nowhere_else() -> None:
    assert "img-src 'self' https://bucket.example;" in policy(["https://bucket.example/a?x", "/v1/files/a"])
    assert "img-src data:;" in policy(["data:"])
