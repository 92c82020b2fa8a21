"""`python -m training.run RECIPE --data DIR --out DIR`: train, score and export one network."""

import argparse
import importlib
import logging
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, NoReturn

from pipeline.errors import InvalidField, RequestError, ScanmillError, TrainingDataMissing, TrainingFailed
from training import GPU
from training.budget import Budget
from training.fitting import prepare
from training.place import Place
from training.progress import Progress
from training.provenance import FOLDERS
from training.settings import TrackingSettings
from training.stopping import Stop, Stopped
from training.tracking import tracked

RECIPES: Final = tuple(sorted(file.stem for file in (Path(__file__).parent / "recipes").glob("[a-z]*.py")))
STOPPED: Final = 75
"""Exit status of a run that was asked to stop and can be gone on with (`EX_TEMPFAIL`)."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line as every other error is said."""

    def error(self, message: str) -> NoReturn:
        """Usage, then the error; status 2."""
        self.print_usage(sys.stderr)
        self.exit(2, told(InvalidField(message)) + "\n")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(prog="python -m training.run", description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and exports")
    parser.add_argument("--teacher", type=Path, default=None, help="folder of public weights to learn from")
    parser.add_argument("--truth", type=Path, default=None, help="folder of pictures with hand-made points")
    parser.add_argument("--start", type=Path, default=None, help="weights of the same network to go on from")
    parser.add_argument("--form", default="", help="body of the network, where a recipe has several")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--again", action="store_true", help="only export and score the weights in --out")
    what.add_argument("--train-only", action="store_true", help="neither export nor score: needs no TensorFlow")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, if there is one")
    parser.add_argument("--progress", type=Path, default=None, help="JSON file to rewrite with how far the run is")
    parser.add_argument("--mlflow", default="", help="where to log the run: a folder, or an MLflow tracking URI")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--budget", choices=("cpu", "gpu"), default="gpu" if GPU else "cpu")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the budget's steps")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="as many steps as fit into this time")
    parser.add_argument("--threads", type=int, default=2, help="of the network's own operations")
    parser.add_argument("--processes", type=int, default=12 if GPU else 2, help="that draw batches")
    parser.add_argument("--precision", default="mixed_bfloat16" if GPU else "float32", help="Keras dtype policy")
    return parser


def main() -> int:
    """Run one recipe. Returns 0 when done, 75 when asked to stop (SIGTERM), 1 with the error as the last line."""
    given = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        run(given)
    except Stopped:
        print("stopped: go on with --resume", file=sys.stderr)
        return STOPPED
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said in one way
        traceback.print_exc()
        print(told(error), file=sys.stderr, flush=True)
        return 1
    return 0


def told(error: Exception) -> str:
    """The last line of a run that failed: code and sentence, and for what the user can mend, what it was."""
    known = error if isinstance(error, ScanmillError) else TrainingFailed()
    detail = " ".join(str(error).split()) if isinstance(error, RequestError) else ""
    return f"error: {known.code} {known.public_message}" + (f" ({detail})" if detail else "")


def run(given: argparse.Namespace) -> None:
    """Train, export and score, telling how far it is to whoever listens."""
    stop = Stop()
    stop.heed()
    if not given.data.is_dir():
        raise TrainingDataMissing(given.data.name)
    given.out.mkdir(parents=True, exist_ok=True)
    tracker = tracked(given.mlflow or TrackingSettings().mlflow_tracking_uri, given)
    progress = Progress(given.progress, given.out, [tracker] if tracker else [])
    folders = {name: getattr(given, name) for name in FOLDERS}
    place = Place(**folders, seed=given.seed, form=given.form, resume=given.resume, progress=progress, stop=stop)
    prepare(given.seed, given.threads, given.precision)
    try:
        with tracker or nullcontext():
            work(given, place)
            if tracker:
                tracker.keep(place)
        place.checkpoint(given.recipe).unlink(missing_ok=True)
        progress.tell("done", metrics=place.noted, eta_s=0)
    finally:
        progress.end()


def work(given: argparse.Namespace, place: Place) -> None:
    """What the options ask for: all of it, only the training, or only what comes after."""
    recipe = importlib.import_module(f"training.recipes.{given.recipe}")
    if given.form and given.form not in getattr(recipe, "FORMS", ()):
        raise InvalidField(f"--form: {given.recipe} has no {given.form}")
    if not given.again:
        recipe.train(place, Budget(given.budget, given.scale, given.processes, given.minutes))
    if not given.train_only:
        finish(recipe, place)


def finish(recipe: Any, place: Place) -> None:
    """Export what is served as ONNX and in whatever other forms it has, and score what can be scored; the body is neither."""
    place.progress.tell("exporting", eta_s=None)
    if hasattr(recipe, "serving"):
        importlib.import_module("training.export").to_onnx(recipe.serving(place))
    if hasattr(recipe, "others"):
        recipe.others(place)
    if hasattr(recipe, "score"):
        place.progress.tell("scoring")
        recipe.score(place)


if __name__ == "__main__":
    sys.exit(main())
