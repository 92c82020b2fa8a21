"""A run in a real MLflow store. Needs MLflow (`requirements/mlflow.txt`), which `make test` does not install."""

from __future__ import annotations

import argparse
import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import InvalidField
from training.budget import Budget
from training.evaluate import Metric
from training.place import Place
from training.progress import Progress
from training.run import arguments
from training.stopping import Stopped
from training.tracking import Tracker, place_of, tracked, worded

with_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed: requirements/mlflow.txt")


def given(out: Path, *more: str) -> argparse.Namespace:
    return arguments().parse_args(["areas", "--data", str(out), "--out", str(out), "--scale", "0.5", *more])


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # files of a database without a server lie beside it
    (tmp_path / "out").mkdir()
    return f"sqlite:///{tmp_path / 'runs.db'}"


def tracker(uri: str, out: Path, *more: str) -> Tracker:
    return tracked_as(uri, given(out, *more))


def runs(uri: str) -> list[Any]:
    client = importlib.import_module("mlflow").MlflowClient(tracking_uri=uri)
    return list(client.search_runs([client.get_experiment_by_name("scanmill").experiment_id]))


@with_mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_a_run_is_logged(uri: str, tmp_path: Path) -> None:
    with tracker(uri, tmp_path / "out") as one:
        place = Place(tmp_path, tmp_path / "out", progress=Progress(listeners=[one]))
        place.progress.tell("training", stage=1, stages=1, step=2, steps=2, loss=0.25, pictures_per_s=9.0)
        stage = {"size": 8, "done": 2, "validation": {"seen": [[1, 0.75]]}}
        place.trained("areas", Budget(), [stage], data_sha256="d" * 64)
        place.note("areas", "cat_mouth", [Metric("accuracy, painted", 0.5, 0.4, 0.6, 9, "test part")])
        one.keep(place)
    (run,) = runs(uri)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {
        "stage_1/loss": 0.25,
        "stage_1/pictures_per_s": 9.0,
        "stage_1/validation_loss": 0.75,
        "cat_mouth/accuracy_ painted": 0.5,
    }
    assert run.data.params["scale"] == "0.5" and "data" not in run.data.params
    assert run.data.tags["data_sha256"] == "d" * 64
    files = {entry.path for entry in one.client.list_artifacts(run.info.run_id)}
    assert files == {"areas.run.json", "cat_mouth.json", "environment.txt"}
    assert not (tmp_path / "out" / "areas.mlflow").exists()


@with_mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_a_stopped_run_goes_on_as_the_same_one(uri: str, tmp_path: Path) -> None:
    with pytest.raises(Stopped), tracker(uri, tmp_path / "out"):
        raise Stopped
    assert [run.info.status for run in runs(uri)] == ["KILLED"]
    with tracker(uri, tmp_path / "out", "--resume"):
        pass
    assert [run.info.status for run in runs(uri)] == ["FINISHED"]
    with pytest.raises(ValueError, match="broken"), tracker(uri, tmp_path / "out"):
        raise ValueError("broken")
    assert sorted(run.info.status for run in runs(uri)) == ["FAILED", "FINISHED"]


@with_mlflow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_a_store_that_goes_away_ends_no_training(uri: str, tmp_path: Path) -> None:
    with tracker(uri, tmp_path / "out") as one:
        one.run = "0" * 32  # there is no such run
        for step in (1, 2):
            one.told({"stage": 1, "step": step, "steps": 2, "loss": 0.5, "pictures_per_s": 1.0})
    assert one.away


@with_mlflow
@pytest.mark.row("S3.17", "S3.18", "S3.19", "S3.20", "S3.21", "S3.42")
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_a_cataract_run_is_logged_in_the_seeds_words_with_a_run_for_each_combination(tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "runs"
    out.mkdir()
    asked = arguments().parse_args(["cataract_fast", "--data", str(out), "--out", str(out)])
    with tracked_as(str(folder), asked) as one:
        place = Place(tmp_path, out, progress=Progress(listeners=[one]))
        place.progress.tell("training", stage=1, stages=1, step=60, steps=60)
        for depth in (3, 5):
            place.progress.tried(f"max_depth {depth}", {"max_depth": depth}, {"roc_auc": depth / 10})
        place.trained("cataract_fast", Budget(), (), grid={"max_depth": 5, "mean_roc_auc": 0.5})
        names = ("accuracy", "precision", "cataracts found", "F1", "AUROC", "balanced accuracy")
        place.note("cataract_fast", "cataract_fast", [Metric(name, 0.5, 0.4, 0.6, 9, "test part") for name in names])
        (out / "cataract_fast.txt").write_text("tree")
        for name in ("confusion_matrix", "roc_curve"):
            Image.new("RGB", (4, 4)).save(out / f"cataract_fast.{name}.png")
        one.keep(place)
    assert not one.away
    found = runs(f"sqlite:///{folder / 'mlflow.db'}")
    (whole,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    tried = {run.info.run_name: run for run in found if run.data.tags.get("mlflow.parentRunId") == whole.info.run_id}
    assert {name: (run.data.params, run.data.metrics, run.info.status) for name, run in tried.items()} == {
        f"max_depth {depth}": ({"max_depth": str(depth)}, {"roc_auc": depth / 10}, "FINISHED") for depth in (3, 5)
    }
    words = ("accuracy", "precision", "recall", "f1_score", "roc_auc")
    expected = {f"{word}{end}": value for word in words for end, value in (("", 0.5), ("_low", 0.4), ("_high", 0.6))}
    assert expected.items() <= whole.data.metrics.items() and "balanced accuracy" not in whole.data.metrics
    assert whole.data.params["grid.max_depth"] == "5" and len(whole.data.tags["commit"]) > 6
    files = {entry.path for entry in one.client.list_artifacts(whole.info.run_id)}
    assert files >= {
        "confusion_matrix.png",
        "roc_curve.png",
        "cataract_fast.txt",
        "cataract_fast.json",
        "environment.txt",
    }
    assert Path(whole.info.artifact_uri.removeprefix("file://")).is_relative_to(folder / "artifacts")
    text = (folder / "artifacts" / whole.info.run_id / "artifacts" / "environment.txt").read_text()
    assert text.startswith("# Python 3.") and "\nlightgbm==" in text


def tracked_as(where: str, asked: argparse.Namespace) -> Tracker:
    made = tracked(where, asked)
    assert made is not None
    return made


def test_a_folder_is_an_address_and_an_address_stays(tmp_path: Path) -> None:
    assert place_of("http://127.0.0.1:5000") == ("http://127.0.0.1:5000", None)
    uri, files = place_of(str(tmp_path / "runs"))
    assert uri == f"sqlite:///{tmp_path}/runs/mlflow.db" and files == (tmp_path / "runs" / "artifacts").as_uri()
    assert (tmp_path / "runs").is_dir()


def test_without_an_address_nothing_is_tracked(tmp_path: Path) -> None:
    assert tracked("", given(tmp_path)) is None


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="MLflow is installed")
def test_an_address_without_mlflow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="not installed"):
        tracked("sqlite:///x.db", given(tmp_path))


def test_names_hold_what_mlflow_takes() -> None:
    assert worded("balanced accuracy at 0.7, cats > 3") == "balanced accuracy at 0.7_ cats _ 3"
