"""Which version may take another's place: hostile ones beside honest ones, all real networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import (
    FamilyChanged,
    GoldensMissing,
    GoldensNotReproduced,
    LabelsChanged,
    LabelsSwapped,
    ModelLoadError,
    RuntimesDisagree,
    ScanmillError,
)
from pipeline.models import goldens
from pipeline.models.examine import agree, examine, swapped
from pipeline.models.golden_pictures import SCENES
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from tests.model_shop import mirrored, stricter
from tests.unit.pipeline import tiny_models as tiny


def validator_pack(folder: Path, content: bytes, change: Callable[[str], str] = lambda text: text) -> Path:
    return tiny.write_pack(folder, [content], [change(tiny.subject_entry(content))])


OLD = tiny.validator()
STRICTER = stricter(0.3)
MIRRORED = mirrored()


class Pair:
    """An old version, a new one, and what comes of examining the new."""

    def __init__(self, folder: Path, content: bytes, change: Callable[[str], str] = lambda text: text) -> None:
        packs = [validator_pack(folder / "old", OLD), validator_pack(folder / "new", content, change)]
        self.room = ModelRoom([read_manifest(path, path.parent.name) for path in packs])
        self.old = self.room.digests()["cat_validator"]
        self.new = next(each for each in self.room.entries() if each.digest != self.old)
        self.goldens = goldens.record(self.room.load("cat_validator", self.new.digest), self.room.profile)

    def examine(self, **more: Any) -> Any:
        more = {"beside": self.old, **more}
        return examine(self.room, "cat_validator", self.new.digest, more.pop("goldens", self.goldens), **more)


def test_an_honest_new_version_passes_and_both_stay_loaded(tmp_path: Path) -> None:
    pair = Pair(tmp_path, STRICTER)
    found = pair.examine()
    assert (found.pictures, found.exact, found.compared_with) == (12, True, pair.old)
    assert pair.room.load("cat_validator", pair.old) is not pair.room.load("cat_validator", pair.new.digest)


def test_swapped_classes_are_caught_beside_the_current_version(tmp_path: Path) -> None:
    """Its own goldens agree with it: they were recorded on the swapped network."""
    pair = Pair(tmp_path, MIRRORED)
    with pytest.raises(LabelsSwapped, match="cat → not_cat"):
        pair.examine()
    assert pair.examine(relabel=True).exact


def test_swapped_names_on_the_same_file_are_caught(tmp_path: Path) -> None:
    pair = Pair(tmp_path, OLD, lambda text: text.replace('["not_cat", "cat"]', '["cat", "not_cat"]'))
    with pytest.raises(LabelsSwapped, match="the same network"):
        pair.examine()


def test_honest_names_in_another_order_pass(tmp_path: Path) -> None:
    """The classes were trained in the other order, and the manifest says so."""
    assert (
        Pair(tmp_path, MIRRORED, lambda text: text.replace('["not_cat", "cat"]', '["cat", "not_cat"]')).examine().exact
    )


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('subject = ["not_cat", "cat"]', 'subject = ["other", "cat"]', LabelsChanged),
        ('breed = ["red", "green", "blue"]', 'breed = ["red", "green", "grey"]', LabelsChanged),
        ('breed = "breed"\n', "", LabelsChanged),
        ("[model.thresholds]\nsubject = 0.7", "", FamilyChanged),
        ("[model.input]", "crop_scale = 1.5\n[model.input]", FamilyChanged),
    ],
)
def test_what_would_change_meaning_in_silence_is_refused(
    tmp_path: Path, old: str, new: str, error: type[ScanmillError]
) -> None:
    def change(text: str) -> str:
        assert old in text
        changed = text.replace(old, new)
        return changed if 'breed = "breed"' in changed else changed.replace('breed = ["red", "green", "blue"]', "")

    pair = Pair(tmp_path, STRICTER, change)
    with pytest.raises(error):
        pair.examine()
    if error is LabelsChanged:
        assert pair.examine(relabel=True).exact


def test_another_task_is_no_version_of_it(tmp_path: Path) -> None:
    net = tiny.matte()
    table = tiny.entry("cat_validator", net, "matte", 320, {"mask": "mask"})
    packs = [validator_pack(tmp_path / "old", OLD), tiny.write_pack(tmp_path / "new", [net], [table])]
    room = ModelRoom([read_manifest(path, path.parent.name) for path in packs])
    new = room.entries()[1]
    golden = goldens.record(room.load(new.name, new.digest), room.profile, SCENES[:2])
    with pytest.raises(FamilyChanged, match="task matte"):
        examine(room, new.name, new.digest, golden, beside=room.digests()[new.name], relabel=True)


def test_without_goldens_or_with_those_of_another_there_is_no_promotion(tmp_path: Path) -> None:
    pair = Pair(tmp_path, STRICTER)
    with pytest.raises(GoldensMissing):
        pair.examine(goldens=None)
    assert pair.examine(goldens=None, needs_goldens=False, beside=None).exact is None
    older = goldens.record(pair.room.load("cat_validator", pair.old), pair.room.profile)
    with pytest.raises(GoldensNotReproduced, match="another version"):
        pair.examine(goldens=older)
    with pytest.raises(GoldensNotReproduced, match="subject"):
        pair.examine(goldens={**older, "digest": pair.new.digest})


def test_outputs_that_do_not_fit_the_family_are_refused(tmp_path: Path) -> None:
    renamed = {'subject = "subject"': 'kind = "subject"', 'subject = ["not_cat"': 'kind = ["not_cat"'}

    def change(text: str) -> str:
        for old, new in renamed.items():
            text = text.replace(old, new)
        return text

    pack = validator_pack(tmp_path / "new", OLD, change)
    room = ModelRoom([read_manifest(pack, "new")])
    with pytest.raises(ModelLoadError, match="outputs must name"):
        examine(room, "cat_validator", room.digests()["cat_validator"], None, needs_goldens=False)


def test_a_current_version_that_cannot_be_loaded_is_no_reason_to_skip_the_comparison(tmp_path: Path) -> None:
    pair = Pair(tmp_path, STRICTER)
    old = pair.room.entry("cat_validator", pair.old)
    assert old.folder is not None
    (old.folder / old.file).write_bytes(b"damaged")
    with pytest.raises(LabelsChanged, match="cannot be compared"):
        pair.examine()
    assert pair.examine(relabel=True).exact


def test_two_runtimes_of_one_network_must_agree(tmp_path: Path) -> None:
    pair = Pair(tmp_path, stricter(1e-6))
    assert "differ by" in agree(pair.room, "cat_validator", pair.new.digest, pair.old, pair.goldens)
    other = Pair(tmp_path / "other", STRICTER)
    with pytest.raises(RuntimesDisagree):
        agree(other.room, "cat_validator", other.new.digest, other.old, other.goldens)


def chances(*shares: float) -> list[dict[str, Any]]:
    return [{"a": np.array([share]), "b": np.array([1 - share])} for share in shares]


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ((0.9, 0.8, 0.2, 0.1), (0.1, 0.2, 0.8, 0.9), True),
        ((0.9, 0.8, 0.2, 0.1), (0.9, 0.8, 0.2, 0.1), False),
        ((0.9, 0.8, 0.2, 0.1), (0.6, 0.7, 0.8, 0.9), False),
        ((0.9, 0.8, 0.7, 0.6), (0.2, 0.3, 0.4, 0.1), False),
        ((0.97, 0.98, 0.99, 0.95), (0.02, 0.01, 0.03, 0.05), True),
        ((0.97,), (0.02,), False),
    ],
    ids=["mirrored", "equal", "lenient", "stricter", "sure of the opposite", "one picture"],
)
def test_a_swap_needs_evidence(old: tuple[float, ...], new: tuple[float, ...], moved: bool) -> None:
    assert bool(swapped(chances(*old), chances(*new))) == moved


def test_points_that_changed_places_are_swapped() -> None:
    places = {"left": np.array([0.3, 0.4]), "right": np.array([0.7, 0.4]), "nose": np.array([0.5, 0.6])}
    other = {"left": np.array([0.69, 0.41]), "right": np.array([0.31, 0.4]), "nose": np.array([0.52, 0.6])}
    assert swapped([places] * 3, [other] * 3) == {"left": "right", "right": "left"}
    near = {name: place + 0.05 for name, place in places.items()}
    assert swapped([places] * 3, [near] * 3) == {}
