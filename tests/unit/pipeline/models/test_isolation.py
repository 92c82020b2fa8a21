"""A pass that raises harms the picture it is about, and none of its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelOutOfMemory, ModelOutputInvalid, ModelRunFailed
from pipeline.models.base import memory_ran_out
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.sessions import OnnxSession
from pipeline.models.subject import SubjectModel
from tests.unit.pipeline import tiny_models as tiny

RED, BLACK, GREEN = (np.full((40, 50, 3), colour, np.uint8) for colour in ((220, 10, 10), (0, 0, 0), (10, 220, 10)))


class Failing(OnnxSession):
    """The tiny validator, that breaks off when a pass of ``size`` pictures holds a black one."""

    def __init__(self, error: Exception, size: int) -> None:
        super().__init__(tiny.validator())
        self.error, self.batch = error, size

    def run(self, name: str, batch: Any, outputs: Sequence[str]) -> dict[str, Any]:
        given = batch[:2] if batch[1:].any() else batch[:1]  # what fills a pass up is black too
        if any(not picture.any() for picture in given):
            raise self.error
        return super().run(name, batch, outputs)


@pytest.fixture
def room(tmp_path: Path) -> ModelRoom:
    return ModelRoom([read_manifest(tiny.cat_pack(tmp_path / "tiny"), "tiny")])


@pytest.mark.row("S4.48")
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), ModelOutOfMemory),
        (RuntimeError("std::bad_alloc"), ModelOutOfMemory),
        (RuntimeError("CUDA failure 2: out of memory ; GPU=0"), ModelOutOfMemory),
        (RuntimeError("Available memory of 10 is smaller than requested bytes of 4096"), ModelOutOfMemory),
        (RuntimeError("Non-zero status code returned while running Conv node"), ModelRunFailed),
        (ValueError("Cannot set tensor"), ModelRunFailed),
        (ModelOutputInvalid("shape"), ModelOutputInvalid),
        (ModelLoadError("uint8"), ModelLoadError),
    ],
)
def test_one_picture_s_error_is_its_own(room: ModelRoom, error: Exception, kind: type[Exception]) -> None:
    expected = room.load("cat_validator").predict([RED, GREEN])
    model = SubjectModel(room.entry("cat_validator"), Failing(error, 1))
    first, black, last = model.predict([RED, BLACK, GREEN])
    assert type(black) is kind
    assert [first, last] == expected


def test_a_whole_pass_that_fails_is_tried_again_picture_by_picture(room: ModelRoom) -> None:
    """Three pictures share a pass; alone each has one of the same size, so its numbers stay what they were."""
    whole = SubjectModel(room.entry("cat_validator"), Failing(MemoryError(), 3))
    alone = [whole.predict([picture])[0] for picture in (RED, GREEN)]
    first, black, last = whole.predict([RED, BLACK, GREEN])
    assert isinstance(black, ModelOutOfMemory)
    assert [first, last] == alone


def test_a_picture_that_cannot_even_be_prepared_harms_no_neighbour(room: ModelRoom) -> None:
    for name in ("cat_validator", "cat_face_detector", "cat_landmarks", "background", "cat_mouth"):
        model = room.load(name)
        answers = model.predict([RED, np.zeros((0, 0, 3), np.uint8), GREEN])
        assert isinstance(answers[1], ModelRunFailed), name
        for answer, picture in ((answers[0], RED), (answers[2], GREEN)):
            assert repr(answer) == repr(model.predict([picture])[0]), name


def test_what_comes_after_the_pass_may_fail_too(room: ModelRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    model = room.load("background")
    after = type(model).post_process

    def no_memory_for_black(self: Any, outputs: Any, picture: Any) -> Any:
        if not picture.any():
            raise MemoryError
        return after(self, outputs, picture)

    monkeypatch.setattr(type(model), "post_process", no_memory_for_black)
    first, black, last = model.predict([RED, BLACK, GREEN])
    assert isinstance(black, ModelOutOfMemory)
    assert isinstance(first, np.ndarray) and isinstance(last, np.ndarray)


def test_the_log_keeps_the_trace_and_the_client_sees_a_sentence(
    room: ModelRoom, caplog: pytest.LogCaptureFixture
) -> None:
    model = SubjectModel(room.entry("cat_validator"), Failing(RuntimeError("secret path"), 1))
    (answer,) = model.predict([BLACK])
    assert isinstance(answer, ModelRunFailed) and "secret" not in answer.public_message
    assert caplog.records[0].exc_info and "secret path" in caplog.text


def test_a_real_allocation_that_fails_is_recognised() -> None:
    with pytest.raises(MemoryError) as found:
        np.zeros(2**60, np.uint8)
    assert memory_ran_out(found.value)
    assert not memory_ran_out(RuntimeError("shapes do not fit"))


def test_numbers_that_are_no_numbers_are_invalid(room: ModelRoom) -> None:
    class Words(OnnxSession):
        def run(self, name: str, batch: Any, outputs: Sequence[str]) -> dict[str, Any]:
            return {output: np.array([["cat", "dog"]] * len(batch)) for output in outputs}

    (answer,) = SubjectModel(room.entry("cat_validator"), Words(tiny.validator())).predict([RED])
    assert isinstance(answer, ModelOutputInvalid)
