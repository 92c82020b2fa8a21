"""Models over numbers (LightGBM): what they take, and vectors to compare on."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelRefused
from pipeline.models.sessions import Session

INPUT: Final = "features"
OUTPUT: Final = "probabilities"
COUNT: Final = 16


def vectors(session: Session, seed: int = 0) -> NDArray[np.float64]:
    """[COUNT,F], from within 1 of nought to far away, the same for the same session."""
    count = session.input_shapes[INPUT][1]
    if count is None:
        raise ModelRefused("it does not say how many numbers it takes")
    rng = np.random.default_rng(seed)
    return rng.normal(size=(COUNT, count)) * np.logspace(-1, 3, COUNT)[:, None]


def input_of(session: Session) -> dict[str, Any]:
    """The ``[model.input]`` table: the numbers' names, or how many there are."""
    names = list(getattr(session, "features", ()))
    return {"name": INPUT, "features": names or int(session.input_shapes[INPUT][1] or 0)}
