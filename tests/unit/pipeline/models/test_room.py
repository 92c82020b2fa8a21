"""Only verified bytes are loaded, once, and what cannot be loaded says why."""

from __future__ import annotations

import threading
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelUnavailable
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings
from tests.unit.pipeline import tiny_models as tiny

RED = np.full((40, 50, 3), (220, 10, 10), np.uint8)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return tiny.cat_pack(tmp_path / "tiny").parent


def opened(*folders: Path, **settings: object) -> ModelRoom:
    packs = [read_manifest(folder / "manifest.toml", folder.name) for folder in folders]
    return ModelRoom(packs, ModelSettings(**settings))  # type: ignore[arg-type]


def weights(pack: Path, name: str = "cat_validator") -> Path:
    return pack / read_manifest(pack / "manifest.toml", "tiny")[name].file


@pytest.mark.row("S3.44")
def test_a_model_is_loaded_once_per_digest(pack: Path) -> None:
    room = opened(pack)
    first = room.load("cat_validator")
    assert room.load("cat_validator", room.digests()["cat_validator"]) is first
    assert room.load("cat_left_eye").session is room.load("cat_mouth").session, "one file, one session"


def test_releasing_forgets_the_model_but_not_who_holds_it(pack: Path) -> None:
    room = opened(pack)
    held, other = room.load("cat_validator"), room.load("background")
    room.release("cat_validator")
    assert room.load("cat_validator") is not held
    assert room.load("background") is other
    assert held.predict([RED])
    room.release()
    assert room.load("background") is not other


def test_several_threads_get_the_same_model(pack: Path) -> None:
    room, found = opened(pack), []
    threads = [threading.Thread(target=lambda: found.append(room.load("cat_validator"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1


def test_a_name_or_digest_that_no_pack_has_is_unavailable(pack: Path) -> None:
    room = opened(pack)
    with pytest.raises(ModelUnavailable, match="dog_validator"):
        room.load("dog_validator")
    with pytest.raises(ModelUnavailable):
        room.load("cat_validator", "0" * 64)


@pytest.mark.row("S4.46")
def test_a_missing_file_is_unavailable_until_it_is_there(pack: Path) -> None:
    room, file = opened(pack), weights(pack)
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(ModelUnavailable, match=file.name):
        room.load("cat_validator")
    file.write_bytes(content)
    assert room.load("cat_validator").predict([RED])


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content + b"\0",
        lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
        lambda content: tiny.logarithm(),
    ],
    ids=["last byte gone", "half", "empty", "a byte more", "one bit", "another model"],
)
def test_any_other_bytes_are_refused(pack: Path, harm: object) -> None:
    file = weights(pack)
    file.write_bytes(harm(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ModelLoadError, match="not the file of the manifest"):
        opened(pack).load("cat_validator")


def test_the_bytes_that_were_hashed_are_the_ones_that_run(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file swapped right after it was read changes nothing: it is read once."""
    file, reads = weights(pack), []
    read_bytes = Path.read_bytes

    def swap_after_reading(path: Path) -> bytes:
        content = read_bytes(path)
        reads.append(path)
        path.write_bytes(tiny.logarithm())
        return content

    expected = opened(pack).load("cat_validator").predict([RED])
    monkeypatch.setattr(Path, "read_bytes", swap_after_reading)
    assert opened(pack).load("cat_validator").predict([RED]) == expected
    assert reads == [file]


def test_the_first_pack_wins_and_the_other_version_stays_loadable(pack: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    tiny.write_pack(other, [tiny.logarithm()], [tiny.subject_entry(tiny.logarithm()).replace('breed = "breed"', "")
                    .replace('breed = ["red", "green", "blue"]', "")])  # fmt: skip
    one, two = opened(pack, other), opened(other, pack)
    assert one.entry("cat_validator").pack == "tiny" and two.entry("cat_validator").pack == "other"
    pinned = one.digests()["cat_validator"]
    assert two.digests()["cat_validator"] != pinned
    assert two.load("cat_validator", pinned).entry.pack == "tiny"
    assert two.digests()["cat_mouth"] == one.digests()["cat_mouth"], "what only one pack has comes from there"


def test_public_weights_are_found_in_the_mirror_by_name_or_by_digest(pack: Path, tmp_path: Path) -> None:
    file = weights(pack)
    for name in (file.name, tiny.sha256(file.read_bytes())):
        mirror = tmp_path / name
        mirror.mkdir()
        (mirror / name).write_bytes(file.read_bytes())
        moved = tiny.write_pack(tmp_path / f"pack-{name}", [], [tiny.subject_entry(tiny.validator())]).parent
        assert opened(moved, mirror=str(mirror)).load("cat_validator").predict([RED])
        (mirror / name).write_bytes(b"something else")
        with pytest.raises(ModelLoadError):
            opened(moved, mirror=str(mirror)).load("cat_validator")
        with pytest.raises(ModelUnavailable):
            opened(moved, mirror="https://models.example/files").load("cat_validator")


def test_a_mock_needs_its_switch_and_is_never_loaded_in_production(pack: Path) -> None:
    manifest = pack / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('task = "subject"', 'task = "subject"\nmock = true'))
    for settings in ({"environment": "test"}, {"allow_mock": True}, {"environment": "production", "allow_mock": True}):
        with pytest.raises(ModelLoadError, match="mock"):
            opened(pack, **settings).load("cat_validator")
    model = opened(pack, environment="test", allow_mock=True).load("cat_validator")
    assert model.entry.provenance["mock"] is True


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('task = "subject"', 'task = "classifier"'),
        ('task = "subject"', 'task = "oracle"'),
        ('name = "image"', 'name = "picture"'),
        ('breed = "breed"', 'breed = "race"'),
    ],
)
def test_a_manifest_that_does_not_fit_its_file_is_refused(pack: Path, old: str, new: str) -> None:
    manifest = pack / "manifest.toml"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    with pytest.raises(ModelLoadError):
        opened(pack).load("cat_validator")


def test_opening_by_settings(pack: Path) -> None:
    room = ModelRoom.open(ModelSettings(root=pack.parent, packs=" tiny ,"))
    assert set(room.digests()) == {
        "cat_validator", "cat_face_detector", "cat_landmarks", "background", *(f"cat_{r}" for r in tiny.REGIONS)
    }  # fmt: skip
    for packs in ("", "nothing_there"):
        with pytest.raises(ManifestError):
            ModelRoom.open(ModelSettings(root=pack.parent, packs=packs))


@pytest.mark.row("S4.47")
def test_cuda_is_refused_clearly_where_there_is_none(pack: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelLoadError, match="CUDA was asked for"):
        opened(pack, device="cuda").load("cat_validator")


def test_the_profile_names_runtime_provider_processor_and_threads(pack: Path) -> None:
    profile = opened(pack).profile
    assert profile.startswith("onnxruntime-") and "CPUExecutionProvider" in profile and "threads=1" in profile
    for package in ("ai-edge-litert", "lightgbm"):
        assert f"{package.removeprefix('ai-edge-')}-{version(package)}" in profile.split()
    assert opened(pack, threads=2).profile != profile
