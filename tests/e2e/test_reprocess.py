"""A classifier, a threshold, an option change: the plan says what is computed, the ledger counts it, the diff lists it."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.supervisor import child_environment, scanmill
from db import model_promotions
from db.model_promotions import PROMOTE
from db.sql import rows
from pipeline.models import goldens
from pipeline.models.room import ModelRoom
from tasks.model_versions import RegisteredModels, register
from tests import photos
from tests.contrarian import NAME, contrarian, tinted
from tests.stack import Servers, Stack, opened, until

pytestmark = pytest.mark.timeout(300)
FOLLOWS = {"explain_findings", "render_preview", "build_report"}
PLANTED = {"planted-1.jpg", "planted-2.jpg"}
PLAIN = {"plain-1.jpg", "plain-2.jpg", "plain-3.jpg"}
LABELS = {"normal", "abnormal"}


@dataclass
class Desk:
    """A service, and its command line with a key."""

    stack: Stack
    key: str

    def say(self, *words: str, end: int = 0) -> Any:
        """`scanmill batch …`; its JSON."""
        done = subprocess.run(
            [*scanmill("batch"), *words, "--json"],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == end, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def on_a_terminal(self, answer: str, *words: str) -> str:
        """The same with somebody before it; what was shown."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*scanmill("batch"), *words], env=self._environment(), stdin=theirs, stderr=subprocess.PIPE, text=True
        ) as running:
            os.write(ours, f"{answer}\n".encode())
            assert running.stderr is not None
            told = running.stderr.read()
        os.close(ours)
        os.close(theirs)
        assert running.returncode == 0, told
        return told

    def again(self, batch: str, *words: str) -> str:
        return str(self.say("reprocess", batch, "--wait", *words, end=3)["id"])

    def computed(self, batch: str) -> dict[str, int]:
        """Stage → runs that were really worked on, by the ledger."""
        with self.stack.database.begin() as connection:
            found = rows(
                connection,
                """SELECT st.name, count(*) AS n FROM scan s JOIN stage_run r ON r.scan_id = s.id
                   JOIN stage st ON st.id = r.stage_id WHERE s.batch_id = :batch AND r.attempts > 0 GROUP BY st.name""",
                batch=batch,
            )
        return {r.name: r.n for r in found}

    def published(self) -> str:
        with self.stack.database.begin() as connection:
            [found] = rows(connection, "SELECT pipeline_id FROM current_pipeline WHERE system = 'cat_face'")
        return str(found.pipeline_id)

    def _environment(self) -> Mapping[str, str]:
        return child_environment({"SCANMILL_API_URL": self.stack.url, "SCANMILL_API_KEY": self.key})


@pytest.fixture(scope="module")
def stack(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with opened(servers, tmp_path_factory.mktemp("stack")) as stack:
        stack.key(stack.tenant("first"))  # without a key the API does not start
        stack.start("control")
        stack.start("worker", "--slots", "1", "--allow-cpu")
        stack.start("api")
        stack.await_published()
        stack.await_workers()
        yield stack


@pytest.fixture
def desk(stack: Stack, request: pytest.FixtureRequest) -> Desk:
    """A tenant of its own for each test: nothing of the others is reused."""
    return Desk(stack, stack.key(stack.tenant(request.node.name)))


@pytest.fixture
def batch(desk: Desk, tmp_path: Path) -> str:
    """Three cats, two that the newer classifier sees otherwise, one of them twice, and a person."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in PLAIN | PLANTED:
        content = tinted(photos.cat(), int(name[-5]), blue=name in PLANTED)
        (folder / name).write_bytes(content)
    (folder / "man.jpg").write_bytes(photos.not_a_cat())
    (folder / "twice.jpg").write_bytes((folder / "plain-1.jpg").read_bytes())
    return str(desk.say("create", str(folder), "--wait", end=3)["id"])


def spans(plan: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Stage → the least and the most runs to be computed, where there are any."""
    found = {each["name"]: (each["computed"]["least"], each["computed"]["most"]) for each in plan["stages"]}
    return {name: span for name, span in found.items() if span != (0, 0)}


def holds(plan: Mapping[str, Any], real: Mapping[str, int]) -> None:
    for each in plan["stages"]:
        span = each["computed"]
        assert span["least"] <= real.get(each["name"], 0) <= span["most"], (each, real)


def promote(desk: Desk) -> None:
    """Register the other version with goldens of its own, and make it current."""
    stack, (entry, content) = desk.stack, contrarian()
    register(stack.database, stack.storage, entry, content, None)
    room = ModelRoom.open(source=RegisteredModels(stack.database, stack.storage))
    golden = goldens.record(room.load(NAME, entry.digest), room.profile)
    register(stack.database, stack.storage, entry, content, golden)
    with stack.database.begin() as connection:
        asked = model_promotions.ask(connection, PROMOTE, NAME, entry.digest, by="tester", why=None, relabel=False).id

    def ended() -> str:
        with stack.database.begin() as connection:
            found = model_promotions.request(connection, asked)
        assert found is not None
        return found.state

    until(lambda: ended() != "asked", 60, stack.last_words)
    assert ended() == "done"


def test_the_plan_is_what_happens_and_the_diff_lists_what_was_planted(desk: Desk, batch: str, tmp_path: Path) -> None:
    plan = desk.say("reprocess", batch, "--plan")
    assert (plan["scans"], plan["exact"], spans(plan)) == (7, True, {}), "nothing changed"
    told = desk.on_a_terminal("n", "reprocess", batch)
    assert "Do it?" in told and "stage runs in all" in told
    assert len(desk.say("list")) == 1, "it was asked, and the answer was no"
    assert desk.computed(desk.again(batch)) == {}

    promote(desk)
    plan = desk.say("reprocess", batch, "--plan")
    changed = {each["name"]: each["changed"] for each in plan["stages"] if each["changed"]}
    assert changed == {"classify_left_eye": ["model"]}
    assert {each["name"] for each in plan["stages"] if each["follows"]} == FOLLOWS
    assert spans(plan) == {"classify_left_eye": (5, 5)} | dict.fromkeys(FOLLOWS, (0, 5))
    assert 0 < plan["work_s"]["from"] < plan["work_s"]["likely"] <= plan["work_s"]["to"]
    newer = desk.again(batch)
    assert desk.computed(newer) == {"classify_left_eye": 5} | dict.fromkeys(FOLLOWS, 5)

    files = ("--report", str(tmp_path / "diff"), "--csv", str(tmp_path / "lines.csv"))
    found = desk.say("diff", batch, newer, "--max-flips", "0", *files, end=1)
    assert {line["custom_id"] for line in found["worst"] if line["flips"]} == PLANTED
    assert all(set(line["flips"]) == {"left_eye"} for line in found["worst"] if line["flips"])
    assert (found["regions"]["left_eye"]["flipped"], found["exceeded"]) == (len(PLANTED), ["flips"])
    assert found["regions"]["mouth"]["mean_likeness"] == 1.0, "the same answer, so the same map"
    with (tmp_path / "diff" / "lines.csv").open() as opened:
        assert {row["custom_id"] for row in csv.DictReader(opened)} == PLANTED
    assert (tmp_path / "lines.csv").read_bytes() == (tmp_path / "diff" / "lines.csv").read_bytes()
    page = (tmp_path / "diff" / "index.html").read_text()
    assert page.count("<article>") == len(PLANTED) and page.count("data:image/webp") >= 2 * len(PLANTED)
    assert all(name in page for name in PLANTED) and "http" not in page.replace("http-equiv", "")


def test_a_threshold_and_an_option_compute_what_they_touch(desk: Desk, batch: str) -> None:
    old = desk.published()
    desk.stack.kill("control")
    desk.stack.start("control", SCANMILL_CLASSIFICATION_THRESHOLD="0.99")
    until(lambda: desk.published() != old, 30, desk.stack.last_words)
    plan = desk.say("reprocess", batch, "--plan")
    changed = {each["name"]: each["changed"] for each in plan["stages"] if each["changed"]}
    assert set(changed) == {f"classify_{side}" for side in ("left_eye", "right_eye", "left_ear", "right_ear", "mouth")}
    assert set(map(tuple, changed.values())) == {("parameters",)}
    stricter = desk.again(batch)
    holds(plan, desk.computed(stricter))
    assert desk.computed(stricter)["classify_mouth"] == 5

    plan = desk.say("reprocess", stricter, "--option", "generate_gradcam=false", "--plan")
    assert {each["name"]: each["changed"] for each in plan["stages"] if each["changed"]} == {
        "explain_findings": ["option"]
    }
    assert spans(plan) == {"render_preview": (5, 5), "build_report": (1, 6)}, "the person's report is certain"
    bare = desk.again(stricter, "--option", "generate_gradcam=false")
    assert desk.computed(bare) == {"render_preview": 5, "build_report": 6}
