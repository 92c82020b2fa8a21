"""Real TorchScript files; skipped with a reason where PyTorch is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConverterUnavailable, ModelRefused
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings
from tests.unit.training.convert.conftest import LABELS, description, expected
from training.convert import accept
from training.convert.keep import add_to_pack

pytestmark = pytest.mark.timeout(300)  # each file is read by a process that starts PyTorch


def of_torch(**more: Any) -> Any:
    return description(**{"size": (32, 32), "scale": 255.0, **more})


@pytest.mark.parametrize("name", ["traced.pt", "scripted.pt"])
def test_a_torchscript_file_is_served_as_it_answered(torch_nets: Path, tmp_path: Path, name: str) -> None:
    accepted = accept(torch_nets / name, of_torch())
    assert accepted.entry["input"]["layout"] == "NCHW"
    assert accepted.proof.by.startswith("torch 2.")
    add_to_pack(accepted, tmp_path / "mine")
    known = expected(torch_nets)
    answers = (
        ModelRoom.open(ModelSettings(packs=str(tmp_path / "mine"))).load("colours").predict(list(known["pictures"]))
    )
    for answer, chances in zip(answers, known["torch"], strict=True):
        assert max(answer.probabilities, key=answer.probabilities.get) == LABELS[chances.argmax()]
        assert list(answer.probabilities.values()) == pytest.approx(chances.tolist(), abs=1e-5)


def test_nobody_guesses_its_size(torch_nets: Path) -> None:
    with pytest.raises(ModelRefused, match="--size"):
        accept(torch_nets / "traced.pt", of_torch(size=None))


@pytest.mark.parametrize("name", ["eager.pt", "weights.pt"])
def test_a_checkpoint_is_refused(torch_nets: Path, name: str) -> None:
    with pytest.raises(ModelRefused, match=r"checkpoint.*torch\.jit\.save"):
        accept(torch_nets / name, of_torch())


def test_without_torch_it_says_what_to_install(torch_nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(ConverterUnavailable, match=r"torch==.*requirements/torch\.txt"):
        accept(torch_nets / "traced.pt", of_torch())
