"""A model: pre-processing, forward pass and post-processing around a session. Batch in, batch out."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import numpy as np
from typing_extensions import TypeVar

from pipeline.errors import (
    ModelLoadError,
    ModelOutOfMemory,
    ModelOutputInvalid,
    ModelRunFailed,
    ModelUnavailable,
    ScanmillError,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session

    Pixels: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.float32]
    Tensor: TypeAlias = NDArray[Any]

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", default=Any)
Family = TypeVar("Family", bound="Model[Any]")


_NO_MEMORY = ("bad_alloc", "out of memory", "failed to allocate", "insufficient memory", "smaller than requested bytes")
"""What ONNX Runtime, CUDA, LiteRT and OpenCV write."""


class Model(ABC, Generic[Answer]):
    """A network that speaks the house's words. One subclass per family; ``entry`` holds what differs between networks.

    A picture is uint8 RGB (h, w, 3) of any size; a family over numbers takes vectors [F] in its place. An answer that
    is not finite or not in its range becomes ModelOutputInvalid for that picture alone, and so does a pass that breaks
    off (ModelRunFailed) or finds no memory (ModelOutOfMemory).
    """

    roles: ClassVar[tuple[frozenset[str], ...]]
    """The sets of output roles of which one must be in the manifest."""
    marked: ClassVar[frozenset[str]] = frozenset()
    """Roles that may be not finite without spoiling the answer; the family marks them in it."""

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        self.entry = entry
        self.session = session
        if not any(wanted <= set(entry.outputs) for wanted in self.roles):
            raise ModelLoadError(f"{entry.name}: outputs must name one of {[sorted(wanted) for wanted in self.roles]}")
        if entry.input.name not in session.input_names:
            raise ModelLoadError(f"{entry.name}: the network has no input {entry.input.name!r}")
        given, wanted = session.input_shapes.get(entry.input.name, ()), (None, *entry.input.shape)
        if given and not (
            len(given) == len(wanted) and all(a in (None, b) or b is None for a, b in zip(given, wanted, strict=True))
        ):
            raise ModelLoadError(f"{entry.name}: the network takes {given}, the manifest gives {entry.input.shape}")
        if missing := set(entry.outputs.values()) - session.output_names:
            raise ModelLoadError(f"{entry.name}: the network has no outputs {sorted(missing)}")

    @abstractmethod
    def pre_process(self, pictures: Sequence[Tensor]) -> Tensor:
        """Pictures to one batch [N,...] as the network wants it."""

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """One batch [N,...] through the network, in passes of a fixed size: role → [N,...]."""
        passes = [self._pass(part) for part in self._parts(batch)]
        return {role: np.concatenate([found[role] for found in passes])[: len(batch)] for role in self.entry.outputs}

    @abstractmethod
    def post_process(self, outputs: Mapping[str, Tensor], picture: Tensor) -> Answer:
        """One picture's share of the outputs, role → [...], to its answer. Raises ModelOutputInvalid."""

    def predict(self, pictures: Sequence[Tensor]) -> list[Answer | ScanmillError]:
        """Answer each picture, in order. An answer never depends on the other pictures; an error harms its own alone."""
        if not pictures:
            return []
        try:
            outputs = self.forward(self.pre_process(pictures))
        except Exception as error:  # noqa: BLE001  runtimes raise what they like; each picture ends by itself
            if len(pictures) > 1:
                return [answer for picture in pictures for answer in self.predict([picture])]
            return [self._told(error)]
        return [
            self._answer({role: array[index] for role, array in outputs.items()}, picture)
            for index, picture in enumerate(pictures)
        ]

    def _answer(self, outputs: Mapping[str, Tensor], picture: Tensor) -> Answer | ScanmillError:
        try:
            for role, array in outputs.items():
                if array.dtype.kind not in "fiub" or (role not in self.marked and not np.isfinite(array).all()):
                    raise ModelOutputInvalid(f"{self.entry.name}: {role} is not finite")
            return self.post_process(outputs, picture)
        except Exception as error:  # noqa: BLE001  as above
            return self._told(error)

    def _told(self, error: Exception) -> ScanmillError:
        """What a picture is told of an error: ours as it is, a runtime's as one of ours, with its trace in the log."""
        if isinstance(error, ScanmillError):
            return error
        log.warning("%s broke off", self.entry.name, exc_info=error)
        kind = ModelOutOfMemory if memory_ran_out(error) else ModelRunFailed
        return kind(f"{self.entry.name}: {type(error).__name__}: {error}")

    def _parts(self, batch: Tensor) -> list[Tensor]:
        size = self.entry.input.batch or self.session.batch
        short = -len(batch) % size
        padded = np.concatenate([batch, np.zeros((short, *batch.shape[1:]), batch.dtype)]) if short else batch
        return list(padded.reshape(-1, size, *batch.shape[1:]))

    def _pass(self, batch: Tensor) -> dict[str, Tensor]:
        outputs = self.entry.outputs
        found = self.session.run(self.entry.input.name, batch, sorted(set(outputs.values())))
        for name, array in found.items():
            if array.shape[:1] != batch.shape[:1]:
                raise ModelOutputInvalid(f"{self.entry.name}: {name} is {array.shape} for {len(batch)} pictures")
        return {role: found[name] for role, name in outputs.items()}

    def labels(self, role: str, count: int) -> tuple[str, ...]:
        """The manifest's names for ``role``. Raises ModelOutputInvalid unless there are ``count``."""
        names = self.entry.labels.get(role, ())
        if len(names) != count:
            raise ModelOutputInvalid(f"{self.entry.name}: {role} has {count} values but {len(names)} labels")
        return names

    def threshold(self, key: str, given: float | None) -> float:
        """``given`` if the stage sets one, else the manifest's. Raises ModelUnavailable when neither does."""
        value = self.entry.thresholds.get(key) if given is None else given
        if value is None:
            raise ModelUnavailable(f"{self.entry.name}: neither stage nor manifest sets the threshold {key!r}")
        return value


def memory_ran_out(error: Exception) -> bool:
    """Whether this is a runtime's way to say that memory ran out; most have no class of their own for it."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _NO_MEMORY)


def of_family(models: Mapping[str, Model[Any]], name: str, family: type[Family]) -> Family:
    """The model ``name`` as one of ``family``. Raises ModelUnavailable if it is missing or of another kind."""
    model = models.get(name)
    if not isinstance(model, family):
        raise ModelUnavailable(f"{name} is {type(model).__name__}, not a {family.__name__}")
    return model


def expect(name: str, array: Tensor, shape: tuple[int | None, ...], low: float, high: float) -> None:
    """Raise ModelOutputInvalid unless ``array`` has this shape (None: any) and lies in low..high, give or take 1e-4."""
    fits = array.ndim == len(shape) and all(want in (None, has) for want, has in zip(shape, array.shape, strict=True))
    if not fits:
        raise ModelOutputInvalid(f"{name} has shape {array.shape}, expected {shape}")
    if array.size and (float(array.min()) < low - 1e-4 or float(array.max()) > high + 1e-4):
        raise ModelOutputInvalid(f"{name} lies in {array.min()}..{array.max()}, expected {low}..{high}")


def probabilities(logits: Tensor, temperature: float = 1.0) -> NDArray[np.float64]:
    """Softmax over the last axis, after division by ``temperature``; in double precision."""
    scaled = np.asarray(logits, np.float64) / temperature
    grown = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True))
