"""A model is promoted and rolled back while scans pour in: none fails, none mixes versions, none waits for a restart."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from db import model_promotions
from db.model_promotions import PROMOTE, ROLLBACK, Request
from pipeline.contracts import Lane
from pipeline.models import goldens
from pipeline.models.manifest import ModelEntry, entry_of, read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT
from tasks.model_versions import RegisteredModels, register
from tests import photos
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(240)

NAME = "cat_validator"
PAUSE_S = 0.15
"""Between two scans: a load that two slots just carry."""

BACKLOG = 12
"""Bulk scans that wait behind the others while the promotion is verified."""

PLAIN = {"generate_gradcam": False}


@pytest.fixture
def stack(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Stack]:
    with running(Stack(tmp_path, database_url, redis_url)) as stack:
        stack.start("control")
        stack.start("control:2")
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published()
        stack.await_workers(2)
        yield stack


class Stream(threading.Thread):
    """Submits pictures, no two alike, until it is stopped."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._stack = stack
        self._ended = threading.Event()
        self.tenant = stack.tenant("one")
        self.ids: list[UUID] = []

    def run(self) -> None:
        while not self._ended.is_set():
            content = photos.cat() + len(self.ids).to_bytes(4)  # what follows a JPEG's end changes no pixel
            self.ids.append(self._stack.submit(self.tenant, content, options=PLAIN))
            time.sleep(PAUSE_S)

    def stop(self) -> None:
        self._ended.set()
        self.join()


class Backlog:
    """Bulk scans, of which some are always under way, so that there are some when the version changes."""

    def __init__(self, stack: Stack, tenant: UUID) -> None:
        self._stack = stack
        self._tenant = tenant
        self.ids: list[UUID] = []

    def keep(self) -> None:
        """Add one if too few are under way."""
        if self._stack.unfinished(self.ids) < BACKLOG:
            content = photos.cat() + f"bulk {len(self.ids)}".encode()
            self.ids.append(self._stack.submit(self._tenant, content, lane=Lane.BULK, options=PLAIN))


def second_version() -> tuple[ModelEntry, bytes]:
    """The starter's validator with its first kernel a little stronger: another file, another digest, nearly the same answers."""
    entry = read_manifest(PACKS_ROOT / "starter" / "manifest.toml", "starter")[NAME]
    assert entry.folder is not None
    model = onnx.load_model_from_string((entry.folder / entry.file).read_bytes())
    kernel = next(each for each in model.graph.initializer if len(each.dims) == 4)
    stronger = numpy_helper.to_array(kernel) * np.float32(1.01)
    kernel.CopyFrom(numpy_helper.from_array(stronger, kernel.name))
    content = bytes(model.SerializeToString())
    table = {**entry.table, "version": "2.0.0", "sha256": hashlib.sha256(content).hexdigest()}
    return entry_of(table, "mine"), content


def registered(stack: Stack) -> str:
    """Register the second version with goldens of its own; its digest."""
    entry, content = second_version()
    register(stack.database, stack.storage, entry, content, None)
    room = ModelRoom.open(source=RegisteredModels(stack.database, stack.storage))
    golden = goldens.record(room.load(NAME, entry.digest), room.profile)
    register(stack.database, stack.storage, entry, content, golden)
    return entry.digest


def asked(stack: Stack, kind: str, digest: str | None, meanwhile: Callable[[], object] = lambda: None) -> Request:
    """Ask, and wait until a control has ended it."""
    with stack.database.begin() as connection:
        request = model_promotions.ask(connection, kind, NAME, digest, by="tester", why=None, relabel=False)

    def ended() -> bool:
        nonlocal request
        meanwhile()
        with stack.database.begin() as connection:
            request = model_promotions.request(connection, request.id) or request
        return request.state != "asked"

    until(ended, 60, stack.last_words)
    return request


def validators(scan: dict[str, Any]) -> set[str]:
    """Digests of the validator, wherever a scan's stages and report name it."""
    told = [stage["models"].get(NAME, {}) for stage in scan["stages"]]
    report = json.loads(json.dumps(scan["report"]))
    return {each["digest"] for each in (*told, *_named(report)) if "digest" in each}


def _named(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("name") == NAME:
            yield value
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)


@pytest.mark.row("S3.44")
def test_versions_change_under_load_and_no_scan_notices(stack: Stack) -> None:
    new = registered(stack)
    with stack.database.begin() as connection:
        old = model_promotions.current(connection)[NAME]
    stream = Stream(stack)
    stream.start()
    backlog = Backlog(stack, stream.tenant)
    for _ in range(BACKLOG):
        backlog.keep()
    promoted = asked(stack, PROMOTE, new, backlog.keep)
    assert (promoted.state, promoted.code) == ("done", None), promoted
    between = len(stream.ids)
    time.sleep(2)
    rolled_back = asked(stack, ROLLBACK, None)
    assert rolled_back.state == "done", rolled_back
    after = len(stream.ids)
    time.sleep(1)
    stream.stop()
    scans = stack.wait(stream.tenant, stream.ids, within_s=120)
    waited = stack.wait(stream.tenant, backlog.ids, within_s=120)
    assert {scan["status"] for scan in scans + waited} <= {"succeeded", "partial"}, "no scan failed"
    assert not [stage for scan in scans + waited for stage in scan["stages"] if stage["state"] == "failed"]
    found = [validators(scan) for scan in scans]
    assert all(len(each) == 1 for each in found), "one version per scan"
    versions = [each.pop() for each in found]
    changes = [digest for number, digest in enumerate(versions) if number == 0 or digest != versions[number - 1]]
    assert changes == [old, new, old], "each change once, in the order of submission"
    assert versions[between + 1] == new and versions[after + 1] == old
    answers = {
        digest: {sure(scan) for scan, each in zip(scans, versions, strict=True) if each == digest}
        for digest in (old, new)
    }
    assert len(answers[old]) == len(answers[new]) == 1 and answers[old] != answers[new], "each version answered itself"
    with stack.database.begin() as connection:
        history = model_promotions.history(connection, NAME)
    assert [(each.kind, each.digest, each.previous) for each in history] == [(PROMOTE, new, old), (ROLLBACK, old, new)]
    before = [scan for scan in waited if datetime.fromisoformat(scan["created_at"]) < history[0].at]
    late = [scan for scan in before if datetime.fromisoformat(scan["finished_at"]) > history[0].at]
    assert late, "some were under way when the version changed"
    assert {digest for scan in before for digest in validators(scan)} == {old}
    assert {sure(scan) for scan in late} == answers[old], "and ended with the version they had pinned"


def sure(scan: dict[str, Any]) -> float:
    """How sure the validator was that it is a cat."""
    return float(scan["report"]["subject"]["probability"])
