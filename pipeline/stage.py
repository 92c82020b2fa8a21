"""The stage contract: arrays and numbers in, arrays and numbers out, many scans at a time.

A stage writes no file, no row and no log. It sees only its frozen inputs and the models it named. What it needs from
outside (the bytes of the scan's picture) is handed in by the runner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pipeline.contracts import Queue, RunState
from pipeline.errors import ModelLoadError, ModelUnavailable, ScanmillError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.models.base import Model

    Pixels: TypeAlias = NDArray[np.uint8]

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of these. Floats are finite."""


@dataclass(frozen=True)
class Picture:
    """A picture on its way into an artifact.

    ``pixels`` is uint8, RGB (h, w, 3), RGBA (h, w, 4) or grey (h, w). ``lossless`` pictures are stored as PNG and read
    back bit-equal, so that later stages may compute on them; the others are JPEG, for people only.
    """

    pixels: Pixels
    lossless: bool = True


@dataclass(frozen=True)
class File:
    """Bytes on their way into an artifact as they are."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Need:
    """How an earlier stage of the same scan ended, and what it left.

    ``data`` is its numbers (of an answer or a verdict, else empty). ``provenance`` says who answered: ``stage_version``
    and ``models`` by name; it is empty where nothing ran. ``artifacts`` names what it wrote, sorted;
    ``picture(name)`` and ``content(name)`` read one of them, as pixels or as bytes, and raise KeyError for another name.
    """

    outcome: RunState
    code: str | None
    data: Mapping[str, Json]
    provenance: Mapping[str, Json]
    artifacts: tuple[str, ...]
    picture: Callable[[str], Pixels]
    content: Callable[[str], bytes]

    @property
    def ok(self) -> bool:
        return self.outcome is RunState.OK


@dataclass(frozen=True)
class StageInput:
    """One scan's share of a micro-batch: the results it needs, its options, and its source's bytes on demand."""

    needs: Mapping[str, Need]
    options: Mapping[str, Json] = field(default_factory=dict)
    source: Callable[[], bytes] = field(default=lambda: b"")

    def answered(self, name: str) -> Need | None:
        """The result of that stage if it ended ok; None if it did not, or if this pipeline has no such stage."""
        need = self.needs.get(name)
        return need if need is not None and need.ok else None


@dataclass(frozen=True)
class StageOutput:
    """What a stage found: numbers that can be JSON, and artifacts by name. Equal inputs give equal outputs."""

    data: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Picture | File] = field(default_factory=dict)


StageAnswer: TypeAlias = "StageOutput | ScanmillError"
"""One per input, in order. An error in one place says nothing of its neighbours."""

Models: TypeAlias = "Mapping[str, Model]"
"""The models a stage named, by manifest name, loaded and verified."""


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """One step of a pipeline. A subclass is a frozen dataclass; its fields are the stage's parameters.

    ``kind`` names the class in the ledger, ``version`` changes whenever equal inputs may give other outputs. ``name``
    is the step's own name in its pipeline (one class may stand there several times). ``needs`` must have ended ok,
    ``optional`` may have ended in any way. ``switch`` names the scan option that turns the stage off. ``reuse_for_s``
    bounds the age of an equal picture's answer that is taken instead of a new one: None for good, 0 never.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    queue: ClassVar[Queue] = Queue.CPU
    deadline_s: ClassVar[float] = 60.0
    """Seconds a micro-batch may take before its worker is killed."""
    alternatives: ClassVar[bool] = False
    """Whether one of ``models`` is enough: those that cannot be loaded are then left out of what ``run`` is given."""

    name: str = ""
    needs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    switch: str | None = None
    reuse_for_s: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.kind)

    @property
    def models(self) -> tuple[str, ...]:
        """Manifest names of the models that ``run`` uses."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the scan's options whose values change the answer: what the parameter ``options`` lists."""
        return tuple(self.parameters.get("options", ()))

    @property
    def parameters(self) -> dict[str, Json]:
        """What, with the version and the models, decides the output."""
        placing = {"name", "needs", "optional", "switch", "reuse_for_s"}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in placing}

    @abstractmethod
    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        """Answer each item. Raising fails the whole micro-batch, which is then tried one by one."""


def load_models(names: Iterable[str], load: Callable[[str], Model], *, alternatives: bool) -> dict[str, Model]:
    """A stage's models by manifest name; one of them is enough if they are alternatives. Raises what ``load`` raised."""
    loaded: dict[str, Model] = {}
    refusal: ScanmillError | None = None
    for name in names:
        try:
            loaded[name] = load(name)
        except (ModelLoadError, ModelUnavailable) as error:
            if not alternatives:
                raise
            refusal = error
    if refusal is not None and not loaded:
        raise refusal
    return loaded


def each(answer: Callable[[StageInput], StageOutput], items: Sequence[StageInput]) -> list[StageAnswer]:
    """Answer items one by one, for stages that gain nothing from batching."""
    answers: list[StageAnswer] = []
    for item in items:
        try:
            answers.append(answer(item))
        except ScanmillError as error:
            answers.append(error)
    return answers
