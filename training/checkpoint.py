"""All that the next step of a run depends on, in one file: a run that was cut off goes on to the same bits.

Batch `n` depends on seed, stage and `n` alone, so a number stands for all batches that were seen. The rest are the
variables of the network (seeds of its dropouts included) and of its optimizer (moments, averaged weights), and the
best weights so far where early stopping is on.
"""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CheckpointMismatch
from training.progress import replace

Arrays: TypeAlias = list[NDArray[Any]]
FACTS: Final = "facts"


@dataclass(slots=True)
class Checkpoint:
    """Where a run is. A fresh one is before the first step."""

    plan: dict[str, Any]
    """What must be the same to go on: recipe, seed, stages, data, backend."""
    stage: int = 0
    """Index of the stage under way; the number of stages when all are done."""
    losses: list[float] = field(default_factory=list)
    """Of the steps of this stage so far, which are thereby counted."""
    steps: int | None = None
    """Steps this stage is to have, if a clock or early stopping changed them."""
    done: list[dict[str, Any]] = field(default_factory=list)
    """Notes of the stages before."""
    seconds: float = 0.0
    """Spent so far."""
    resumed: int = 0
    """How often the run was taken up again."""
    check: dict[str, Any] = field(default_factory=dict)
    """What early stopping remembers."""
    variables: Arrays = field(default_factory=list)
    """Of network and optimizer; none before the first stage."""
    best: Arrays = field(default_factory=list)

    def turn(self, note: dict[str, Any]) -> None:
        """A stage is done: go to the start of the next one."""
        self.done.append(note)
        self.stage += 1
        self.steps, self.losses, self.check, self.variables, self.best = None, [], {}, [], []

    def save(self, file: Path) -> None:
        """Write the file at once or not at all."""
        facts = {name: value for name, value in asdict_shallow(self).items() if name not in ("variables", "best")}
        named = {f"{kind}_{k}": one for kind in ("variables", "best") for k, one in enumerate(getattr(self, kind))}
        replace(file, lambda partial: written(partial, {FACTS: np.array(json.dumps(facts)), **named}))


def asdict_shallow(one: Checkpoint) -> dict[str, Any]:
    """Fields by name, arrays not copied."""
    return {name: getattr(one, name) for name in one.__slots__}


def written(file: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """An uncompressed archive of arrays under exactly this name."""
    with file.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # its signature names one of its own options


def taken_up(file: Path, plan: dict[str, Any]) -> Checkpoint:
    """The run of a file, or a fresh one if there is no file; raises `CheckpointMismatch` if it is of another plan."""
    if not file.exists():
        return Checkpoint(plan)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays[FACTS]))
            found = Checkpoint(**facts, variables=numbered(arrays, "variables"), best=numbered(arrays, "best"))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointMismatch(f"{file.name} cannot be read: {error}") from error
    other = sorted(key for key in plan if json.loads(json.dumps(plan[key])) != found.plan.get(key))
    if other:
        raise CheckpointMismatch(f"{file.name} differs in {', '.join(other)}")
    found.resumed += 1
    return found


def numbered(arrays: Any, kind: str) -> Arrays:
    """The arrays of one kind in their order."""
    return [arrays[f"{kind}_{k}"] for k in range(sum(name.startswith(kind) for name in arrays.files))]
