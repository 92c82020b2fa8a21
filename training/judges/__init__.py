"""One judge per recipe: asks a shipped file about its test part and says of each answer whether it was right."""

import importlib
from importlib.util import find_spec
from typing import cast

from training.cases import Judge


def judge_of(recipe: str) -> Judge | None:
    """The judge of a recipe's models, if there is one."""
    name = f"training.judges.{recipe}"
    return cast("Judge", importlib.import_module(name)) if find_spec(name) else None
