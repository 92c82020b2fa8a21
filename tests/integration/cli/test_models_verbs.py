"""`scanmill models …` on real servers: register, verify, promote, roll back, with exit codes for scripts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build
from cli.model_packs import _pairs
from db.session import Database
from pipeline.models import goldens
from tests import photos
from tests.model_shop import NAME, Shop, mirrored, open_shop, stricter
from tests.unit.pipeline import tiny_models as tiny


@pytest.fixture
def shop(
    database: Database, database_url: str, storage_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    shop = open_shop(database, storage_dir, tmp_path / "shop")
    for name, value in shop.settings(database_url, storage_dir).items():
        monkeypatch.setenv(name, value)
    return shop


def run(*words: str) -> Result:
    return CliRunner().invoke(build("models"), ["models", *words, "--json"])


def pack(folder: Path, content: bytes, version: str) -> Path:
    table = tiny.subject_entry(content).replace('version = "tiny"', f'version = "{version}"')
    return tiny.write_pack(folder, [content], [table]).parent


@contextmanager
def desk(shop: Shop) -> Iterator[None]:
    """A desk at work, as control has it."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            if not shop.desk().turn():
                ended.wait(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_from_a_pack_to_a_promotion_and_back(shop: Shop, tmp_path: Path) -> None:
    mine = pack(tmp_path / "mine", stricter(0.3), "2")
    assert json.loads(run("goldens", str(mine)).stdout) == [NAME]
    [registered] = json.loads(run("register", str(mine)).stdout)
    assert (registered["name"], registered["version"], registered["state"]) == (NAME, "2", "registered")
    with desk(shop):
        promoted = run("promote", NAME, "2", "--why", "better")
        assert promoted.exit_code == 0, promoted.output
        assert json.loads(promoted.stdout)["state"] == "done"
        assert shop.published() == registered["digest"]
        twice = run("promote", NAME, "2")
        assert twice.exit_code == 1 and json.loads(twice.stdout)["code"] == "ALREADY_CURRENT"
        back = run("rollback", NAME)
        assert back.exit_code == 0 and shop.published() == shop.first
    listed = {row["version"]: row for row in json.loads(run("versions", NAME).stdout)}
    assert (listed["2"]["state"], listed["2"]["current"], listed["2"]["goldens"]) == ("verified", False, 12)
    assert listed["tiny"]["current"] is True
    assert run("rollback", NAME).exit_code == 1


def test_pictures_of_ones_own_become_part_of_the_record(shop: Shop, tmp_path: Path) -> None:
    mine = pack(tmp_path / "mine", stricter(0.3), "2")
    cat = tmp_path / "cat.jpg"
    cat.write_bytes(photos.cat())
    assert run("goldens", str(mine), "--picture", str(cat)).exit_code == 0
    pictures = goldens.read(mine)[NAME]["pictures"]
    assert len(pictures) == 13 and "pixels" in pictures[-1]["recipe"]
    assert run("register", str(mine)).exit_code == 0
    cat.write_bytes(b"no picture")
    refused = run("goldens", str(mine), "--picture", str(cat))
    assert refused.exit_code == 1 and json.loads(refused.stdout)["code"] == "UNSUPPORTED_FORMAT"


def test_one_network_in_two_runtimes_is_compared(shop: Shop) -> None:
    entries = shop.room.entries()
    other = replace(shop.room.entry(NAME), runtime="tflite")
    assert [(one.runtime, two.runtime) for one, two in _pairs([*entries, other])] == [("tflite", "onnx")]
    assert _pairs([*entries, replace(other, version="2")]) == []


def test_a_refused_version_fails_the_command_with_its_code(shop: Shop, tmp_path: Path) -> None:
    mine = pack(tmp_path / "mine", mirrored(), "2")
    run("goldens", str(mine))
    run("register", str(mine))
    with desk(shop):
        refused = run("promote", NAME, "2")
    assert refused.exit_code == 1 and json.loads(refused.stdout)["code"] == "LABELS_SWAPPED"
    assert shop.published() == shop.first


def test_without_waiting_a_promotion_is_only_asked_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.register(stricter(0.3), "2")
    asked = json.loads(run("promote", NAME, "2", "--no-wait").stdout)
    assert asked["state"] == "asked" and shop.request(asked["id"]).state == "asked"
    monkeypatch.setattr("cli.model_verbs.PATIENCE_S", 0.5)
    assert run("promote", NAME, "2").exit_code == 4, "no control runs here"
    assert run("promote", NAME, "9").exit_code == 1
    assert run("promote", "nobody", "2").exit_code == 1


def test_a_pack_whose_file_is_not_its_manifests_is_not_registered(shop: Shop, tmp_path: Path) -> None:
    mine = pack(tmp_path / "mine", stricter(0.3), "2")
    next(mine.glob("*.onnx")).write_bytes(stricter(0.4))
    refused = run("register", str(mine))
    assert refused.exit_code == 1 and json.loads(refused.stdout)["code"] == "MODEL_UNAVAILABLE"
    (mine / "manifest.toml").write_text("nonsense")
    assert run("register", str(mine)).exit_code == 1


def states(result: Result) -> dict[tuple[str, str], str | None]:
    return {(each["name"], each["version"]): each["code"] for each in json.loads(result.stdout)}


def test_everything_is_verified_packs_and_versions(shop: Shop, storage_dir: Path) -> None:
    good = shop.register(stricter(0.3), "2")
    checked = run("verify")
    assert checked.exit_code == 0, checked.output
    assert set(states(checked)) == {*((name, "tiny") for name in shop.room.digests()), (NAME, "2")}
    _, other = shop.version(stricter(2.0), "3")
    entry, _ = shop.version(stricter(0.1), "4")
    shop.register(stricter(0.1), "4", goldens={**other, "digest": entry.digest})
    (storage_dir / "models" / good.sha256).write_bytes(b"damaged")
    spoiled = run("verify")
    assert spoiled.exit_code == 1
    found = states(spoiled)
    assert (found[NAME, "2"], found[NAME, "4"], found[NAME, "tiny"]) == (
        "MODEL_LOAD_ERROR",
        "GOLDENS_NOT_REPRODUCED",
        None,
    )


def test_packs_are_verified_without_a_database(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCANMILL_DATABASE_URL")
    entry = shop.room.entry(NAME)
    assert entry.folder is not None
    goldens.write(entry.folder, {NAME: goldens.record(shop.room.load(NAME), shop.room.profile)})
    assert set(states(run("verify")).values()) == {None}
    (entry.folder / entry.file).write_bytes(stricter(0.3))
    assert states(run("verify"))[NAME, "tiny"] == "MODEL_LOAD_ERROR"
