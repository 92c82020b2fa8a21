"""A stranger's network to one that serving can trust: examined, converted, compared, described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.errors import InvalidField, ModelLoadError, ModelOutputInvalid, ModelRefused
from pipeline.models.manifest import ModelEntry
from pipeline.models.onnx_check import check_onnx
from pipeline.models.room import FAMILIES
from training.convert import draft, intake, numbers, proof
from training.convert.classify import Classifier, classifier
from training.convert.confinement import Bounds
from training.convert.description import Description
from training.convert.opened import open_session
from training.convert.outputs import name_batch, with_features
from training.convert.parent import ask
from training.convert.proof import Proof
from training.convert.trial import batch_of, noise, spec_of
from training.convert.wire import Frame

_ENGINES: Final = {
    "keras": "keras",
    "h5": "keras",
    "torchscript": "torchscript",
    "onnx": "session",
    "tflite": "session",
    "lightgbm": "lightgbm",
}


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
    if golden and form == "lightgbm":
        raise InvalidField("golden: this model takes numbers, not pictures")
    shown = intake.golden_pictures(golden)
    pictures = [] if form == "lightgbm" else [*noise(), *shown.values()]
    try:
        parts = intake.examined(form, content, bounds)
        facts = {"form": form, "runtime": form, "input": description.input}
        numbered = {str(place): picture for place, picture in enumerate(pictures)}
        answer = ask(_ENGINES[form], Frame(facts, numbered, parts), bounds)
        if form == "lightgbm":
            return _served_numbers(content, description, answer)
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
    draft.check_task(description, found)
    content, made = _finished(form, answer.files.get("onnx", content), description, found)
    runtime = "tflite" if form == "tflite" else "onnx"
    session = open_session(runtime, content)
    spec = spec_of(description.input, answer.facts["input"])
    batch = batch_of(pictures, spec)
    largest = proof.compare(session, spec.name, batch, found)
    roles = made.roles if made else draft.roles_of(description, found)
    if made and made.head.logits != made.output:
        found[made.head.logits] = proof.output(session, spec.name, batch, made.head.logits)
        proof.check_logits(found[made.head.logits], found[made.output], made.head.kind)
    draft.check_labels(description, roles, found)
    layer = made.layer if made else None
    entry = draft.entry_of(description, runtime, content, draft.input_of(spec), roles, layer)
    answers = proof.serve(FAMILIES[description.task](draft.validated(entry), session), pictures)
    told = answers[len(pictures) - len(shown) :]
    golden = {name: proof.in_words(one) for name, one in zip(shown, told, strict=True)}
    return Accepted(content, entry, Proof(_by(answer), len(pictures), proof.TOLERANCE, largest, golden))


def _served_numbers(content: bytes, description: Description, answer: Frame) -> Accepted:
    """The same of a model over numbers; vectors take the place of pictures."""
    found = _outputs(answer)
    draft.check_task(description, found)
    session = open_session("lightgbm", content)
    vectors = numbers.vectors(session)
    largest = proof.compare(session, numbers.INPUT, vectors, found)
    roles = draft.roles_of(description, found)
    draft.check_labels(description, roles, found)
    entry = draft.entry_of(description, "lightgbm", content, numbers.input_of(session), roles, None)
    proof.serve(FAMILIES[description.task](draft.validated(entry), session), list(vectors))
    return Accepted(content, entry, Proof(_by(answer), len(vectors), proof.TOLERANCE, largest, {}))


def _outputs(answer: Frame) -> dict[str, NDArray[Any]]:
    """What the original answered, by output. Raises ModelRefused if the child contradicts itself."""
    found, given = dict(answer.arrays), answer.facts.get("input")
    if not found or list(found) != answer.facts.get("outputs") or not isinstance(given, dict):
        raise ModelRefused("what read it contradicts itself")
    shape = given.get("shape", [])
    sides = isinstance(shape, list) and all(side is None or type(side) is int for side in shape)
    if not (sides and isinstance(given.get("name"), str) and given.get("dtype", "float32") in ("float32", "uint8")):
        raise ModelRefused("what read it contradicts itself about its input")
    return found


def _by(answer: Frame) -> str:
    return str(answer.facts.get("by", ""))[:100]


def _finished(
    form: str, content: bytes, description: Description, found: Mapping[str, NDArray[Any]]
) -> tuple[bytes, Classifier | None]:
    """The bytes that will be served, with what serving needs of the network's inside.

    A file that came as ONNX and lacks nothing stays as it is, to the byte.
    """
    classifies = description.task == "classifier"
    if form == "tflite":
        return content, classifier(None, description, found) if classifies else None
    check_onnx(content)
    given = onnx.load_from_string(content)
    if form != "onnx":
        given = with_features(given)  # before maps bring poolings of their own
    made = classifier(given, description, found) if classifies else None
    model = given if made is None or made.model is None else made.model
    if form == "onnx":
        return content if model is given else bytes(model.SerializeToString()), made
    name_batch(model)
    return bytes(model.SerializeToString()), made
