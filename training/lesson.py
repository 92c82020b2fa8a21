"""What a recipe hands to the training loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.budget import Stages
from training.drawing import Draw
from training.trainee import Loss, Scale, signed


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a recipe teaches: networks by size, the batches they see, the loss, the budget."""

    recipe: str
    at_size: Callable[[int, Any], Any]
    """(size, former network or None) -> network with the former one's weights"""
    draw: Draw
    loss: Loss
    stages: Stages
    scale: Scale = signed
    kept: Callable[[Any], Any] = lambda network: network
    """The part of the network whose weights are the result."""
    validation: Draw | None = None
    """Draws batches of the validation part, never of the test part: then a stage ends early when they get no better,
    and keeps the best averaged weights."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the note of the run says."""
