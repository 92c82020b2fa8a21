"""`scanmill batch`: many pictures at once, from a plan to a difference."""

from cli.batches import export, making, results, steering, taking
from cli.batches.command import app

__all__ = ["app", "export", "making", "results", "steering", "taking"]
