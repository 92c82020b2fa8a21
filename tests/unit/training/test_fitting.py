"""A run that was cut off goes on to the same bits; a checkpoint of another run is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from pipeline.errors import CheckpointMismatch
from training.budget import Budget, Stage
from training.drawing import Batch
from training.fitting import Lesson, learn
from training.place import Place
from training.progress import Progress
from training.stopping import Stop, Stopped

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, as it saves
STAGES = {"cpu": (Stage(size=8, steps=8, batch=4, rate=1e-2), Stage(size=12, steps=4, batch=2, rate=1e-2))}


def build(_: int = 8) -> Any:
    """A network with all that a step may change: weights, batch norm, dropout."""
    image = keras.Input((None, None, 3))
    x = layers.BatchNormalization()(layers.Conv2D(6, 3, use_bias=False)(image))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(image, layers.Dense(2)(layers.Dropout(0.5)(x)))


def at_size(size: int, former: Any) -> Any:
    made = build(size)
    if former is not None:
        made.set_weights(former.get_weights())
    return made


def draw(rng: np.random.Generator, stage: Stage) -> Batch:
    pixels = rng.integers(0, 256, (stage.batch, stage.size, stage.size, 3), np.uint8)
    return pixels, (pixels[..., 0].mean(axis=(1, 2)) > 127).astype(np.int32)


def loss(outputs: Any, label: Any) -> Any:
    return ops.mean(keras.losses.sparse_categorical_crossentropy(label, outputs, from_logits=True))


LESSON = Lesson(recipe="tiny", at_size=at_size, draw=draw, loss=loss, stages=STAGES)


class StopAt:
    """Asks a run to stop at one step of one stage."""

    def __init__(self, stage: int, step: int) -> None:
        self.when, self.stop, self.losses = (stage, step), Stop(), list[float]()

    def told(self, facts: dict[str, Any]) -> None:
        self.losses.append(facts["loss"])
        self.stop.asked = (facts["stage"], facts["step"]) == self.when


def place(out: Path, *watchers: StopAt, resume: bool = False) -> Place:
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True)
    stop = watchers[0].stop if watchers else Stop()
    return Place(data, out, resume=resume, progress=Progress(listeners=watchers), stop=stop)


def digest(out: Path) -> str:
    """Of the weights' numbers; the file itself holds the time."""
    network = build()
    network.load_weights(str(out / "tiny.weights.h5"))
    return hashlib.sha256(b"".join(np.asarray(one).tobytes() for one in network.weights)).hexdigest()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("straight")
    learn(LESSON, place(out), Budget(processes=1))
    return digest(out)


@pytest.mark.parametrize("when", [(1, 5), (1, 8), (2, 2)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path, straight: str, when: tuple[int, int]) -> None:
    watch = StopAt(*when)
    with pytest.raises(Stopped):
        learn(LESSON, place(tmp_path, watch), Budget(processes=1))
    assert not (tmp_path / "tiny.weights.h5").exists()
    rest = StopAt(9, 9)
    keras.utils.set_random_seed(99)  # another process
    learn(LESSON, place(tmp_path, rest, resume=True), Budget(processes=2))
    assert digest(tmp_path) == straight
    assert (len(watch.losses), len(rest.losses)) == (8 * (when[0] - 1) + when[1], 12 - 8 * (when[0] - 1) - when[1])
    note = json.loads((tmp_path / "tiny.run.json").read_text("utf-8"))
    assert [stage["done"] for stage in note["stages"]] == [8, 4]
    assert note["resumed"] == 1


def test_another_seed_gives_other_bits(tmp_path: Path, straight: str) -> None:
    learn(LESSON, replace(place(tmp_path), seed=8), Budget(processes=1))
    assert digest(tmp_path) != straight


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    learn(LESSON, place(tmp_path), Budget(processes=1))
    before = (tmp_path / "tiny.weights.h5").stat().st_mtime_ns
    learn(LESSON, place(tmp_path, resume=True), Budget(processes=1))
    assert (tmp_path / "tiny.weights.h5").stat().st_mtime_ns == before


def test_without_a_checkpoint_a_resumed_run_begins_afresh(tmp_path: Path, straight: str) -> None:
    learn(LESSON, place(tmp_path, resume=True), Budget(processes=1))
    assert digest(tmp_path) == straight


def stopped_at(tmp_path: Path) -> Path:
    with pytest.raises(Stopped):
        learn(LESSON, place(tmp_path, StopAt(1, 3)), Budget(processes=1))
    return tmp_path / "tiny.checkpoint"


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    stopped_at(tmp_path)
    with pytest.raises(CheckpointMismatch, match="differs in seed"):
        learn(LESSON, replace(place(tmp_path, resume=True), seed=8), Budget(processes=1))
    with pytest.raises(CheckpointMismatch, match="differs in stages"):
        learn(LESSON, place(tmp_path, resume=True), Budget(scale=0.5, processes=1))


def test_a_network_of_another_form_is_refused(tmp_path: Path) -> None:
    stopped_at(tmp_path)
    other = keras.Sequential([keras.Input((None, None, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    with pytest.raises(CheckpointMismatch, match="another form"):
        learn(replace(LESSON, at_size=lambda *_: other), place(tmp_path, resume=True), Budget(processes=1))


def test_a_broken_checkpoint_is_refused(tmp_path: Path) -> None:
    file = stopped_at(tmp_path)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointMismatch, match="cannot be read"):
        learn(LESSON, place(tmp_path, resume=True), Budget(processes=1))


def hopeless(rng: np.random.Generator, stage: Stage) -> Batch:
    """Pictures whose labels are the other way round: the better the training, the worse these."""
    pixels, label = draw(rng, stage)
    return pixels, 1 - label


LONG = {"cpu": (Stage(size=8, steps=100, batch=8, rate=3e-2),)}


def watched(out: Path, lesson: Lesson, *watchers: StopAt, resume: bool = False) -> dict[str, Any]:
    learn(lesson, place(out, *watchers, resume=resume), Budget(processes=1))
    stage: dict[str, Any] = json.loads((out / "tiny.run.json").read_text("utf-8"))["stages"][0]
    return stage


def test_a_stage_ends_when_validation_gets_no_better(tmp_path: Path) -> None:
    stage = watched(tmp_path / "a", replace(LESSON, stages=LONG, validation=hopeless))
    seen = stage["validation"]["seen"]
    best = min(loss for _, loss in seen)
    assert (stage["ended"], stage["done"]) == ("no better", seen[-1][0])
    assert [stage["validation"]["best_step"], best] in seen and stage["validation"]["best_loss"] == best
    assert seen[-1][0] == stage["validation"]["best_step"] + 5 * stage["validation"]["every"] < 100


def test_a_watched_stage_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    lesson = replace(LESSON, stages=LONG, validation=hopeless)
    whole = watched(tmp_path / "a", lesson)
    with pytest.raises(Stopped):
        watched(tmp_path / "b", lesson, StopAt(1, 25))
    assert watched(tmp_path / "b", lesson, resume=True) == whole
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_watching_changes_nothing_in_what_is_learned(tmp_path: Path, straight: str) -> None:
    stage = watched(tmp_path, replace(LESSON, validation=draw))
    assert stage["ended"] == "planned" and stage["validation"]["best_step"] == stage["done"]
    assert digest(tmp_path) == straight
