"""A stranger's network to one that serving can trust: examined, converted, compared, described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.errors import ModelLoadError, ModelOutputInvalid, ModelRefused
from pipeline.models.manifest import ModelEntry
from pipeline.models.onnx_check import check_onnx
from pipeline.models.room import FAMILIES
from training.convert import draft, intake, proof
from training.convert.confinement import Bounds
from training.convert.description import Description
from training.convert.opened import open_session
from training.convert.outputs import Graph
from training.convert.parent import ask
from training.convert.proof import Proof
from training.convert.trial import batch_of, noise, spec_of
from training.convert.wire import Frame

ENGINES = {"keras": "keras", "h5": "keras", "torchscript": "torchscript", "onnx": "session", "tflite": "session"}


@dataclass(frozen=True)
class Accepted:
    """A network that may be stored: the bytes that are served, its ``[[model]]`` table, and what was compared.

    ``entry["sha256"]`` is that of ``content``.
    """

    content: bytes
    entry: Mapping[str, Any]
    proof: Proof

    @property
    def model_entry(self) -> ModelEntry:
        """The table as `pipeline.models` reads it."""
        return draft.validated(self.entry)


def accept(path: Path, description: Description, golden: Sequence[Path] = (), bounds: Bounds | None = None) -> Accepted:
    """Take ``path`` in. Nothing of it is executed in this process, and nothing in any before it was looked at.

    ``golden``: pictures on which original and conversion are compared beside ours, and whose answers are told.
    Raises ModelRefused (the file), InvalidField (the description), ConverterUnavailable (a missing package), OSError.
    """
    bounds = bounds or Bounds()
    form, content = intake.read(path)
    shown = intake.golden_pictures(golden)
    pictures = [*noise(), *shown.values()]
    parts = intake.examined(form, content, bounds)
    facts = {"form": form, "runtime": form, "input": description.input}
    numbered = {str(place): picture for place, picture in enumerate(pictures)}
    answer = ask(ENGINES[form], Frame(facts, numbered, parts), bounds)
    try:
        return _served(form, content, description, answer, pictures, list(shown))
    except (ModelLoadError, ModelOutputInvalid) as error:
        raise ModelRefused(str(error)) from error


def _served(
    form: str,
    content: bytes,
    description: Description,
    answer: Frame,
    pictures: Sequence[NDArray[np.uint8]],
    shown: Sequence[str],
) -> Accepted:
    """From here on in our own process, with our own session; the child's word counts for nothing but comparison."""
    found = _outputs(answer)
    head = draft.head_of(description, found) if description.task == "classifier" else ""
    runtime, logits, kind = ("tflite" if form == "tflite" else "onnx"), head, ""
    if runtime == "onnx":
        content, logits, kind = _with_outputs(answer.files.get("onnx", content), form, head)
    session = open_session(runtime, content)
    spec = spec_of(description.input, answer.facts["input"])
    batch = batch_of(pictures, spec)
    largest = proof.compare(session, spec.name, batch, found)
    if kind:
        found[logits] = proof.logits(session, spec.name, batch, logits)
        proof.check_logits(found[logits], found[head], kind)
    roles = draft.roles_of(description, found, {"logits": logits} if logits else {})
    draft.check_labels(description, roles, found)
    entry = draft.entry_of(description, runtime, content, spec, roles)
    model = FAMILIES[description.task](draft.validated(entry), session)
    answers = proof.serve(model, pictures)[len(pictures) - len(shown) :]
    golden = {name: proof.in_words(one) for name, one in zip(shown, answers, strict=True)}
    by = str(answer.facts.get("by", ""))[:100]
    return Accepted(content, entry, Proof(by, len(pictures), proof.TOLERANCE, largest, golden))


def _outputs(answer: Frame) -> dict[str, NDArray[Any]]:
    """What the original answered, by output. Raises ModelRefused if the child contradicts itself."""
    found = dict(answer.arrays)
    if not found or list(found) != answer.facts.get("outputs") or not isinstance(answer.facts.get("input"), dict):
        raise ModelRefused("what read it contradicts itself")
    return found


def _with_outputs(content: bytes, form: str, head: str) -> tuple[bytes, str, str]:
    """The model with what serving needs of its inside; a classifier's logits, and what ``head`` ends in.

    A file that came as ONNX and lacks nothing stays as it is, to the byte.
    """
    check_onnx(content)
    graph = Graph(onnx.load_from_string(content))
    kind, logits = graph.add_logits(head) if head else ("", "")
    if form == "onnx" and logits == head:
        return content, logits, kind
    if form != "onnx":
        graph.name_batch()
    graph.add_features()
    return bytes(graph.model.SerializeToString()), logits, kind
