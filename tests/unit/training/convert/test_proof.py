"""The proof can fail: another answer, another shape, logits that lead elsewhere, an input that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipeline.errors import InvalidField, ModelRefused
from tests.unit.pipeline import tiny_models
from tests.unit.training.convert.conftest import description
from training.convert import draft, proof
from training.convert.opened import open_session
from training.convert.trial import batch_of, noise, one_by_one, spec_of

NODES = [helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0)]


def answers() -> tuple[Any, Any, Any]:
    """A session over the mean colour, a batch for it, and the right answer."""
    session = open_session("onnx", tiny_models.graph(NODES, {}, ("mean",), 32))
    batch = batch_of(noise(), spec_of({}, {"name": "image", "dtype": "float32", "shape": [None, 32, 32, 3]}))
    return session, batch, batch.mean(axis=(1, 2))


def test_equal_answers_are_equal() -> None:
    session, batch, right = answers()
    assert proof.compare(session, "image", batch, {"mean": right})["mean"] < 1e-5


@pytest.mark.parametrize("picture", range(6))
def test_one_other_answer_of_one_picture_is_enough(picture: int) -> None:
    session, batch, right = answers()
    wrong = right.copy()
    wrong[picture, 1] += 2 * proof.TOLERANCE * (1 + wrong[picture, 1])
    with pytest.raises(ModelRefused, match="answers otherwise than the original: mean differs by"):
        proof.compare(session, "image", batch, {"mean": wrong})


@pytest.mark.parametrize("wrong", [np.ones((6, 2), np.float32), np.full((6, 3), np.nan, np.float32)])
def test_another_shape_or_no_number_is_never_equal(wrong: Any) -> None:
    session, batch, _ = answers()
    with pytest.raises(ModelRefused):
        proof.compare(session, "image", batch, {"mean": wrong})


def test_logits_must_lead_to_the_probabilities() -> None:
    logits = np.array([[0.0, 2.0], [1.0, -1.0]], np.float32)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    proof.check_logits(logits, chances, "softmax")
    proof.check_logits(np.array([[0.0, 2.0]], np.float32), chances[:1, 1:], "sigmoid")
    with pytest.raises(ModelRefused, match="do not lead"):
        proof.check_logits(logits * 1.1, chances, "softmax")


def test_an_output_without_the_batch_is_refused() -> None:
    with pytest.raises(ModelRefused, match="for one picture"):
        one_by_one(lambda one: [np.zeros((3, 1))], np.zeros((2, 8, 8, 3)))


@pytest.mark.parametrize(
    ("wanted", "shape", "sentence"),
    [
        ({}, [None, 8, 8], "takes"),
        ({}, [8, 8, 8, 3], "8 pictures at a time"),
        ({}, [None, 8, 8, 1], "channels"),
        ({}, [None, None, None, 3], "--size"),
        ({"size": [9, 9]}, [None, 8, 8, 3], r"not \[9, 9\]"),
        ({}, [None, 8, 4000, 3], "sides of 8 to"),
        ({"scale": -1.0}, [None, 8, 8, 3], "scale"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(wanted: dict[str, Any], shape: list[int | None], sentence: str) -> None:
    with pytest.raises(ModelRefused, match=sentence):
        spec_of(wanted, {"name": "image", "dtype": "float32", "shape": shape})


@pytest.mark.parametrize(
    "more",
    [
        {"name": "Über"}, {"name": ""}, {"version": "1/2"}, {"licence": ""}, {"labels": ("a", "a")}, {"labels": ("a", "")},
        {"source": "a\nb"}, {"labels": ("a\x7f", "b")},
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        description(**more)


def test_a_task_and_outputs_that_are_not_there_are_refused() -> None:
    found = {"a": np.zeros((1, 3)), "b": np.zeros((1, 3))}
    with pytest.raises(InvalidField, match="task 'singer' is none of"):
        draft.check_task(description(task="singer"), found)
    with pytest.raises(InvalidField, match="but not"):
        draft.check_task(description(task="detector", outputs={"boxes": "c"}), found)
    with pytest.raises(InvalidField, match="say which"):
        draft.roles_of(description(task="detector", outputs={"boxes": "a"}), found)
    assert draft.roles_of(description(task="detector", outputs={"boxes": "a", "scores": "b"}), found) == {
        "boxes": "a", "scores": "b"
    }  # fmt: skip
