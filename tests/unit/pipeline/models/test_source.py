"""Versions that are in no pack here: their entries come back whole, their bytes verified, and few of them stay."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelUnavailable, StorageUnavailable
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import ModelEntry, entry_of, read_manifest
from pipeline.models.room import MOST_VERSIONS, ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.models.source import FileCache
from tests.model_shop import stricter
from tests.unit.pipeline import tiny_models as tiny

RED = np.full((40, 50, 3), (220, 10, 10), np.uint8)


class Elsewhere:
    """A source over a dictionary of files."""

    def __init__(self, *entries: ModelEntry, files: dict[str, bytes]) -> None:
        self.entries = {(each.name, each.digest): each for each in entries}
        self.files = files
        self.asked = 0
        self.away = False

    def entry(self, name: str, digest: str) -> ModelEntry | None:
        if self.away:
            raise StorageUnavailable("away")
        return self.entries.get((name, digest))

    def content(self, entry: ModelEntry) -> bytes:
        self.asked += 1
        if entry.sha256 not in self.files:
            raise ModelUnavailable(entry.name)
        return self.files[entry.sha256]

    def mark(self) -> object:
        return len(self.entries)


def version(content: bytes, tmp_path: Path) -> ModelEntry:
    """An entry as it comes from a row: of no folder."""
    path = tiny.write_pack(tmp_path / tiny.sha256(content)[:8], [content], [tiny.subject_entry(content)])
    return entry_of(read_manifest(path, "tiny")["cat_validator"].table, "sent")


NEWER = stricter(0.3)


@pytest.fixture
def pack(tmp_path: Path) -> dict[str, ModelEntry]:
    return read_manifest(tiny.cat_pack(tmp_path / "tiny"), "tiny")


@pytest.mark.parametrize("name", ["starter", "public"])
def test_every_entry_comes_back_from_its_table_with_its_digest(name: str) -> None:
    for entry in read_manifest(PACKS_ROOT / name / "manifest.toml", name).values():
        back = entry_of(json.loads(json.dumps(entry.table)), name)
        assert back.digest == entry.digest
        assert back.table == entry.table
        assert back.folder is None


@pytest.mark.parametrize("harm", [{"novel": 1}, {"sha256": "x"}, {"input": 3}, {"outputs": None}, {"name": None}])
def test_a_table_that_this_code_does_not_understand_is_refused(
    pack: dict[str, ModelEntry], harm: dict[str, object]
) -> None:
    with pytest.raises(ManifestError):
        entry_of({**pack["cat_validator"].table, **harm}, "sent")


def test_a_version_from_elsewhere_answers_beside_the_packs_own(pack: dict[str, ModelEntry], tmp_path: Path) -> None:
    newer = version(NEWER, tmp_path)
    source = Elsewhere(newer, files={newer.sha256: NEWER})
    room = ModelRoom([pack], source=source)
    one, two = room.load("cat_validator"), room.load("cat_validator", newer.digest)
    assert one.predict([RED]) != two.predict([RED])
    assert room.digests()["cat_validator"] == pack["cat_validator"].digest, "what is current here does not change"
    assert newer not in room.entries()
    room.load("cat_validator", newer.digest)
    assert source.asked == 1


def test_other_bytes_than_the_entrys_are_never_loaded(pack: dict[str, ModelEntry], tmp_path: Path) -> None:
    newer = version(NEWER, tmp_path)
    room = ModelRoom([pack], ModelSettings(cache=tmp_path / "cache"), Elsewhere(newer, files={newer.sha256: b"bad"}))
    with pytest.raises(ModelLoadError, match="not the file"):
        room.load("cat_validator", newer.digest)
    assert not (tmp_path / "cache").exists()


def test_a_file_of_the_same_name_in_the_mirror_is_another_version(pack: dict[str, ModelEntry], tmp_path: Path) -> None:
    newer = version(NEWER, tmp_path)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / newer.file).write_bytes(tiny.validator())
    room = ModelRoom([pack], ModelSettings(mirror=str(mirror)), Elsewhere(newer, files={newer.sha256: NEWER}))
    assert room.load("cat_validator", newer.digest).predict([RED])


def test_a_source_that_is_away_is_no_answer(pack: dict[str, ModelEntry]) -> None:
    source = Elsewhere(files={})
    room = ModelRoom([pack], source=source)
    with pytest.raises(ModelUnavailable):
        room.entry("cat_validator", "0" * 64)
    source.away = True
    with pytest.raises(StorageUnavailable):
        room.entry("cat_validator", "0" * 64)
    assert room.entry("cat_validator").pack == "tiny", "what is on the disk needs nobody"


def test_processes_of_a_host_fetch_a_file_once(pack: dict[str, ModelEntry], tmp_path: Path) -> None:
    newer = version(NEWER, tmp_path)
    source = Elsewhere(newer, files={newer.sha256: NEWER})
    settings = ModelSettings(cache=tmp_path / "cache")
    for _ in range(2):
        ModelRoom([pack], settings, source).load("cat_validator", newer.digest)
    assert source.asked == 1
    (tmp_path / "cache" / newer.sha256).write_bytes(b"somebody else's")
    ModelRoom([pack], settings, source).load("cat_validator", newer.digest)
    assert source.asked == 2


def test_few_versions_of_a_model_stay_in_memory(pack: dict[str, ModelEntry], tmp_path: Path) -> None:
    contents = [stricter(by / 10) for by in range(1, 6)]
    entries = [version(content, tmp_path) for content in contents]
    room = ModelRoom([pack], source=Elsewhere(*entries, files={tiny.sha256(each): each for each in contents}))
    mouth, first = room.load("cat_mouth"), room.load("cat_validator")
    for entry in entries:
        room.load("cat_validator", entry.digest)
        assert room.load("cat_validator") is first, "the one in use stays"
    assert len([key for key in room._models if key[0] == "cat_validator"]) == MOST_VERSIONS
    assert len(room._sessions) == MOST_VERSIONS + 1
    assert room.load("cat_mouth") is mouth


def test_the_cache_is_bounded_and_forgets_what_is_least_used(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", 250)
    files = {tiny.sha256(content): content for content in (b"a" * 100, b"b" * 100, b"c" * 100, b"d" * 300)}
    one, two, three, large = files
    for age, sha in ((30, one), (20, two)):
        cache.put(sha, files[sha])
        path = tmp_path / "cache" / sha
        os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    assert cache.get(one) == files[one]  # used: the other one is the older now
    cache.put(three, files[three])
    assert (cache.get(one), cache.get(two), cache.get(three)) == (files[one], None, files[three])
    cache.put(large, files[large])
    assert cache.get(large) is None
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {one, three}


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = FileCache(tmp_path / "file", 1000)
    cache.put("0" * 64, b"content")
    assert cache.get("0" * 64) is None
