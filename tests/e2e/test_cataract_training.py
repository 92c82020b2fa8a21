"""The cataract seed's trainings on a real service: asked for by HTTP, killed, gone on with, promoted, rolled back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.academy import PATIENCE_S, Academy, parent
from tests.made_up_eyes import write_eyes
from tests.stack import Stack, running, until

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]


class Clinic(Academy):
    """An academy for eyes, spoken to over HTTP."""

    def http(self, method: str, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        key = {"Authorization": f"Bearer {self.settings['SCANMILL_API_KEY']}"}
        given = {"json": body} if body else {}
        answer = httpx.request(method, self.stack.url + path, headers=key, timeout=60, **given)
        assert answer.status_code == status, f"{answer.text}\n{self.stack.last_words()}"
        found: dict[str, Any] = answer.json()
        return found

    def served(self, model: str) -> str:
        """The digest by which new scans get a model."""
        return str(self.http("GET", "/system_info")["models"][model])

    def change(self, model: str, verb: str, **body: Any) -> None:
        """Promote or roll back, and wait until control has done it."""
        self.said("models", verb, model, *body.values())


@pytest.fixture
def clinic(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Clinic]:
    data = write_eyes(tmp_path / "data", groups=40, each=1)
    with running(Stack(tmp_path, database_url, redis_url, SCANMILL_TRAINING_ROOTS=json.dumps([str(data)]))) as stack:
        made = Clinic(stack, data)
        stack.start("api")
        stack.start("control")
        stack.start("worker", "--slots", "0", "--train", "1")
        until(made.is_taught, PATIENCE_S, stack.last_words)
        stack.await_published("cataract", PATIENCE_S)
        yield made


@pytest.mark.row("S3.5", "S3.13", "S3.18", "S3.30", "S3.31")
def test_asked_for_killed_gone_on_with_promoted_and_rolled_back(clinic: Clinic, tmp_path: Path) -> None:
    asked = clinic.http("POST", "/train_clip", 202, scale=0.04)["training_id"]
    clinic.await_(asked, "running", step=2)
    until(lambda: bool(clinic.status(asked)["checkpoint"]), PATIENCE_S, clinic.stack.last_words)
    those_that_train = clinic.trainings()
    [pid] = [each for each in those_that_train if parent(each) not in those_that_train]
    os.kill(pid, signal.SIGKILL)
    done = clinic.await_(asked, "succeeded")[-1]
    assert done["attempts"] == 2
    clinic.said("training", "fetch", asked, "--out", str(tmp_path / "fetched"))
    assert json.loads((tmp_path / "fetched" / "cataract_strong.run.json").read_text())["resumed"] == 1
    assert (tmp_path / "fetched" / "data.json").exists()

    shipped = clinic.served("cataract_strong")
    pipeline = clinic.http("GET", "/system_info")["pipeline_version"]
    [version] = done["versions"]
    assert version["name"] == "cataract_strong" and version["version"].endswith(f"+{asked}")
    assert version["digest"] != shipped == clinic.served("cataract_strong"), "it waits"
    clinic.change("cataract_strong", "promote", version=version["version"])
    assert clinic.served("cataract_strong") == version["digest"]
    assert clinic.http("GET", "/system_info")["pipeline_version"] != pipeline
    clinic.change("cataract_strong", "rollback")
    assert clinic.served("cataract_strong") == shipped

    asked = clinic.http("POST", "/train_lgbm", 202, scale=0.02)["training_id"]
    done = clinic.await_(asked, "succeeded")[-1]
    assert [each["name"] for each in done["versions"]] == ["cataract_fast"]
    assert {each["name"] for each in done["files"]} >= {
        *("cataract_fast.txt", "cataract_fast.grid.json", "data.json"),
        *("cataract_fast.confusion_matrix.png", "cataract_fast.roc_curve.png"),
    }
