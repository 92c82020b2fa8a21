"""`python -m training.run RECIPE --data DIR --out DIR`: train, score and export one network."""

import argparse
import importlib
import logging
from pathlib import Path
from typing import Final

from training.fitting import Budget, prepare
from training.place import Place

RECIPES: Final = ("body", "detector", "landmarks", "validator", "matte", "areas")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.run", description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and exports")
    parser.add_argument("--teacher", type=Path, default=None, help="folder of public weights to learn from")
    parser.add_argument("--truth", type=Path, default=None, help="folder of pictures with hand-made points")
    parser.add_argument("--again", action="store_true", help="only export and score the weights in --out")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the planned steps")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def main() -> None:
    """Run one recipe."""
    given = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    prepare(given.seed, given.threads)
    recipe = importlib.import_module(f"training.recipes.{given.recipe}")
    given.out.mkdir(parents=True, exist_ok=True)
    place = Place(given.data, given.out, given.seed, given.teacher, given.truth)
    if given.again:
        recipe.again(place)
    else:
        recipe.train(place, Budget(given.scale, given.threads))


if __name__ == "__main__":
    main()
