"""`python -m training.run RECIPE --data DIR --out DIR`: train, score and export one network."""

import argparse
import importlib
import logging
from pathlib import Path
from typing import Any, Final

from training import GPU
from training.budget import Budget
from training.fitting import prepare
from training.place import Place

RECIPES: Final = (
    "body",
    "detector",
    "landmarks",
    "validator",
    "matte",
    "areas",
    "skin_hair",
    "skin_acne",
    "skin_condition",
)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.run", description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and exports")
    parser.add_argument("--teacher", type=Path, default=None, help="folder of public weights to learn from")
    parser.add_argument("--truth", type=Path, default=None, help="folder of pictures with hand-made points")
    parser.add_argument("--start", type=Path, default=None, help="weights of the same network to go on from")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--again", action="store_true", help="only export and score the weights in --out")
    what.add_argument("--train-only", action="store_true", help="neither export nor score: needs no TensorFlow")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--budget", choices=("cpu", "gpu"), default="gpu" if GPU else "cpu")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the budget's steps")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="as many steps as fit into this time")
    parser.add_argument("--threads", type=int, default=2, help="of the network's own operations")
    parser.add_argument("--processes", type=int, default=12 if GPU else 2, help="that draw batches")
    parser.add_argument("--precision", default="mixed_bfloat16" if GPU else "float32", help="Keras dtype policy")
    return parser


def main() -> None:
    """Run one recipe."""
    given = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    prepare(given.seed, given.threads, given.precision)
    recipe = importlib.import_module(f"training.recipes.{given.recipe}")
    given.out.mkdir(parents=True, exist_ok=True)
    place = Place(given.data, given.out, given.seed, given.teacher, given.truth, given.start)
    if not given.again:
        recipe.train(place, Budget(given.budget, given.scale, given.processes, given.minutes))
    if not given.train_only:
        finish(recipe, place)


def finish(recipe: Any, place: Place) -> None:
    """Export what is served, whatever other forms it has, and score it; the body is not served."""
    if not hasattr(recipe, "serving"):
        return
    importlib.import_module("training.export").to_onnx(recipe.serving(place))
    if hasattr(recipe, "others"):
        recipe.others(place)
    recipe.score(place)


if __name__ == "__main__":
    main()
