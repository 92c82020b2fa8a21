"""A painted set: the same pictures whatever the processes, kept and read back, every label there."""

from collections import Counter
from pathlib import Path

import pytest

from tests.unit.training.made_people import write_people
from training import painted
from training.budget import Budget
from training.entries.skin_hair import HEADS
from training.painted import Painted, close, portrait
from training.place import Place
from training.portraits import heads
from training.skin_paint import FINDINGS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    write_people(folder / "data")
    return Place(folder / "data", folder / "out")


def test_the_processes_do_not_show(place: Place) -> None:
    items = heads(place.data, "train")
    one, two, other = (painted.draw(items, close, 6, seed, count) for seed, count in ((5, 1), (5, 2), (6, 1)))
    assert one == two
    assert [item.content for item in one] != [item.content for item in other]


@pytest.mark.parametrize(("make", "labels"), [(portrait, HEADS), (close, {"finding": tuple(FINDINGS)})])
def test_every_label_is_painted_on_pictures_of_the_serving_size(
    place: Place, make: painted.Make, labels: dict[str, tuple[str, ...]]
) -> None:
    drawn = painted.draw(heads(place.data, "train"), make, 80, 5, 2)
    for head, names in labels.items():
        counts = Counter(item.labels[head] for item in drawn)
        assert set(counts) == set(names) and min(counts.values()) >= 5
    assert {item.pixels().shape for item in drawn} == {(painted.SIZE, painted.SIZE, 3)}


def test_a_set_is_kept_by_training_and_not_by_scoring(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painted, "COUNTS", {"train": 30, "validation": 20, "test": 20})
    scored = painted.sets(place, "faces", close, "test")
    assert not (place.out / "painted").exists() and len(scored) == 20
    trained = painted.sets(place, "faces", close, "test", Budget(processes=1))
    assert trained == scored
    assert painted.sets(place, "faces", close, "test") == trained
    assert len(list((place.out / "painted" / "faces" / "test").glob("*.jpg"))) == 20


def test_nobody_is_on_two_sides(place: Place) -> None:
    counts = {part: len(heads(place.data, part)) for part in ("train", "validation", "test")}
    assert sum(counts.values()) == 40 and min(counts.values()) > 0


def test_what_is_written_is_read(tmp_path: Path) -> None:
    items = [Painted(b"one", 4, {"finding": "acne"}), Painted(b"two", 0, {"finding": "normal"})]
    painted.write(tmp_path / "set", items)
    assert painted.read(tmp_path / "set") == items
