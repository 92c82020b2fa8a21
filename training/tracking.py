"""A run in MLflow, where the package is installed and an address is given: parameters, losses, figures, files.

An address may be a folder, which then holds database and files, for `mlflow ui`. One that does not answer at the start is
an error. One that goes away later loses the rest of the log, and no training.
"""

import argparse
import importlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from PIL import Image

from pipeline.errors import InvalidField
from training.place import Place
from training.provenance import FOLDERS, command, commit, environment
from training.stopping import Stopped

log: Final = logging.getLogger("training")

EXPERIMENT: Final = "scanmill"
EVERY_SECONDS: Final = 2.0
"""Between two points of a curve."""
SEEDS: Final = {
    "accuracy": "accuracy",
    "precision": "precision",
    "cataracts found": "recall",
    "F1": "f1_score",
    "AUROC": "roc_auc",
}
"""Figures that the cataract seed logs under names of its own, each with its interval."""
HIDDEN: Final = (*FOLDERS, "progress", "mlflow", "resume")
"""Options that say nothing of what is learned."""


def tracked(uri: str, given: argparse.Namespace) -> "Tracker | None":
    """A tracker if an address is given; raises `InvalidField` if MLflow is not installed then."""
    if not uri:
        return None
    if find_spec("mlflow") is None:
        raise InvalidField("an MLflow address is given, but MLflow is not installed: requirements/mlflow.txt")
    return Tracker(uri, given)


class Tracker:
    """One run of MLflow's experiment `scanmill`; a run that is gone on with goes on there too."""

    def __init__(self, uri: str, given: argparse.Namespace) -> None:
        """Begin the run, or find the one that was stopped."""
        uri, self.files = place_of(uri)
        self.client = importlib.import_module("mlflow").MlflowClient(tracking_uri=uri)
        self.recipe, self.logged, self.away = given.recipe, 0.0, False
        self.memo: Path = given.out / f"{given.recipe}.mlflow"
        resumed = given.resume and self.memo.exists()
        self.run = self.memo.read_text(encoding="utf-8") if resumed else self.begun(given)
        self.memo.write_text(self.run, encoding="utf-8")

    def begun(self, given: argparse.Namespace) -> str:
        """The id of a new run with the options as its parameters."""
        known = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else self.client.create_experiment(EXPERIMENT, self.files)
        tags = {"commit": commit(), "command": command()}
        run = str(self.client.create_run(experiment, run_name=given.recipe, tags=tags).info.run_id)
        for name, value in sorted(vars(given).items()):
            if name not in HIDDEN:
                self.client.log_param(run, name, value)
        return run

    def told(self, facts: dict[str, Any]) -> None:
        """A point of the curves, every two seconds and at the end of a stage."""
        if facts["step"] == facts["steps"] or time.monotonic() - self.logged > EVERY_SECONDS:
            self.logged = time.monotonic()
            for name in ("loss", "pictures_per_s"):
                if facts.get(name) is not None:
                    self.point(f"stage_{facts['stage']}/{name}", facts[name], facts["step"])

    def tried(self, name: str, parameters: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """A combination of a search: a run below this one."""
        self.log(self.nested, name, parameters, figures)

    def nested(self, run: str, name: str, parameters: Mapping[str, Any], figures: Mapping[str, float]) -> None:
        """A whole run below `run`."""
        experiment, tags = self.client.get_run(run).info.experiment_id, {"mlflow.parentRunId": run}
        one = self.client.create_run(experiment, run_name=name, tags=tags).info.run_id
        for key, value in parameters.items():
            self.client.log_param(one, key, value)
        for key, figure in figures.items():
            self.client.log_metric(one, key, figure)
        self.client.set_terminated(one)

    def keep(self, place: Place) -> None:
        """The notes' figures and what they say of the run, the data's digest, the environment, and the files."""
        note = place.out / f"{self.recipe}.run.json"
        facts = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {"stages": ()}
        self.log(self.client.set_tag, "data_sha256", facts.get("data_sha256", ""))
        for number, stage in enumerate(facts["stages"], 1):
            for step, loss in stage.get("validation", {}).get("seen", ()):
                self.point(f"stage_{number}/validation_loss", loss, step)
        for about, known in facts.items():
            for name, value in known.items() if isinstance(known, dict) else ():
                self.log(self.client.log_param, worded(f"{about}.{name}"), value)
        self.figures(place)
        self.log(self.client.log_text, environment(), "environment.txt")
        for file in sorted(place.out.iterdir()):
            if file.name.startswith(f"{self.recipe}.") and file.suffix == ".png":
                with Image.open(file) as picture:
                    self.log(self.client.log_image, picture, file.name.removeprefix(f"{self.recipe}."))
            elif file.is_file() and file.suffix not in {".checkpoint", ".mlflow"}:
                self.log(self.client.log_artifact, str(file))

    def figures(self, place: Place) -> None:
        """What was measured; of the recipe's own model also in the seed's words."""
        for one in place.noted:
            self.point(f"{one['model']}/{worded(one['name'])}", one["value"], 0)
            if one["model"] == self.recipe and one["name"] in SEEDS:
                for end, key in (("", "value"), ("_low", "low"), ("_high", "high")):
                    self.point(SEEDS[one["name"]] + end, one[key], 0)

    def point(self, name: str, value: float, step: int) -> None:
        """One number."""
        self.log(self.client.log_metric, name, value, None, step)

    def log(self, how: Callable[..., object], *what: Any) -> None:
        """Tell MLflow, until it fails once."""
        if self.away:
            return
        try:
            how(self.run, *what)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on
            self.away = True
            log.warning("MLflow is away, nothing more is logged there: %s", error)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say how it ended; one that was asked to stop may go on."""
        status = "KILLED" if isinstance(error, Stopped) else "FAILED" if error else "FINISHED"
        self.log(self.client.set_terminated, status)
        if not error:
            self.memo.unlink()


def place_of(uri: str) -> tuple[str, str | None]:
    """An address as MLflow takes it; of a folder, which is made, the database in it, and where its files go."""
    if "://" in uri or uri == "databricks":
        return uri, None
    folder = Path(uri).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def worded(name: str) -> str:
    """A figure's name in the letters that MLflow takes."""
    return "".join(letter if letter.isalnum() or letter in "_-. " else "_" for letter in name)
