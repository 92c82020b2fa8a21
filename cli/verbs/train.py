"""`scanmill train RECIPE`: trains here, in a process of its own below this one; with `--remote` on the service.

The cataract seed's words name recipes, too: `lgbm`, `clip`, and `both`, one after the other.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from cli import output, training_view
from cli.connection import connect
from cli.output import Exit, Json
from cli.training_follow import follow
from pipeline.cataract_analysis import TRAINED_BY
from pipeline.errors import CANCELLED
from tasks.training.process import STOPPED, TrainingProcess, options
from tasks.training.recipes import NoTraining, require_training

app = typer.Typer()
GRACE_S = 60.0
"""Seconds for a checkpoint after Ctrl-C."""

LOOK_S = 0.25
Data = Annotated[Path, typer.Option("--data", "--normal", help="Folder of labelled sets, or of your own pictures.")]
BOTH = "both"
Folder = Annotated[Path | None, typer.Option(help="Folder of public weights to learn from.")]
Truth = Annotated[
    Path | None, typer.Option("--truth", "--test", help="Pictures that are scored only: good/ and kinds of defects.")
]
Start = Annotated[
    Path | None, typer.Option("--start", "--features", help="Weights to go on from; of patchcore the features.")
]
Budget = Annotated[str | None, typer.Option(help="cpu or gpu; as the machine is, if not said.")]
Scale = Annotated[float | None, typer.Option(min=0, help="Share of the budget's steps.")]
Minutes = Annotated[float | None, typer.Option(min=0, help="As many steps as fit into this time.")]


@app.command("train", context_settings={"allow_extra_args": True})
def train(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="`scanmill training recipes` lists the service's.")],
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Folder for weights and exports; not with --remote.")] = None,
    teacher: Folder = None,
    truth: Truth = None,
    start: Start = None,
    budget: Budget = None,
    scale: Scale = None,
    minutes: Minutes = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all that is drawn by chance.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Only export and score the weights in --out.")] = False,
    train_only: Annotated[bool, typer.Option("--train-only", help="Neither export nor score.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="On the service; paths are the service's.")] = False,
    after: Annotated[str | None, typer.Option(help="Begin with that training's files; with --remote.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not follow; with --remote.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network; `lgbm`, `clip` and `both` are the cataract models. Ctrl-C keeps a checkpoint.

    What follows `--` goes to `python -m training.run` as it stands.
    """
    recipes = tuple(TRAINED_BY.values()) if recipe == BOTH else (TRAINED_BY.get(recipe, recipe),)
    given: dict[str, Any] = {
        "teacher": teacher, "truth": truth, "start": start, "budget": budget, "scale": scale, "minutes": minutes,
        "seed": seed, "again": again or None, "train_only": train_only or None,
    }  # fmt: skip
    parameters = {name: value for name, value in given.items() if value is not None}
    if remote:
        if out is not None or resume or context.args:
            output.fail(Exit.USAGE, "--out, --resume and what follows -- are for training here", as_json)
        _remote(recipes, {"data": data, **parameters, **({"after": after} if after else {})}, no_wait, as_json)
    if out is None or after is not None:
        output.fail(Exit.USAGE, "--out is needed, and --after is for --remote", as_json)
    words = options({name: _absolute(value) for name, value in parameters.items()}, data.resolve(), out.resolve())
    _here(recipes, [*words, *(["--resume"] if resume else []), *context.args], out.resolve(), as_json)


def _remote(recipes: Sequence[str], parameters: dict[str, Any], no_wait: bool, as_json: bool) -> None:
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in parameters.items()}
    with output.exits(as_json), connect() as client:
        trainings = [client.train(recipe, plain) for recipe in recipes]
        if not no_wait:
            trainings = [follow(client, training, as_json) for training in trainings]
        _emit(recipes, trainings, as_json)
    raise typer.Exit(int(max(output.of_scan(training["state"]) for training in trainings)))


def _here(recipes: Sequence[str], words: list[str], out: Path, as_json: bool) -> None:
    """One after the other into one folder; what does not succeed is the last."""
    try:
        require_training()
        out.mkdir(parents=True, exist_ok=True)
    except (NoTraining, OSError) as error:
        output.fail(Exit.FAILED, str(error), as_json)
    asked, trainings = Asked(), []
    for recipe in recipes:
        trainings.append(_trained(recipe, words, out, as_json, asked))
        if trainings[-1]["state"] != "succeeded":
            break
    _emit(recipes, trainings, as_json)
    if (state := trainings[-1]["state"]) != "succeeded":
        raise typer.Exit(int(Exit.INTERRUPTED if state == "interrupted" else Exit.FAILED))


def _emit(recipes: Sequence[str], trainings: list[dict[str, Any]], as_json: bool) -> None:
    """An object, or a list if several were asked for."""

    def shown() -> None:
        for training in trainings:
            training_view.summary(training)

    output.emit(trainings if len(recipes) > 1 else trainings[0], as_json, shown)


def _trained(recipe: str, words: list[str], out: Path, as_json: bool, asked: Asked) -> dict[str, Any]:
    """How one recipe's training ended; its last words are printed if it failed."""
    log = out / f"{recipe}.log"
    with tempfile.TemporaryDirectory(prefix="scanmill-train-") as folder:
        process = TrainingProcess(recipe, words, Path(folder) / "progress.json", log)
        try:
            status = _watched(process, recipe, as_json, asked)
        finally:
            process.kill()
        told = process.progress()
    state, code, detail = _end(status, process)
    files = [
        {"name": name, "size": (out / name).stat().st_size} for name in told.get("files", ()) if (out / name).exists()
    ]
    if state == "failed" and not as_json:
        output.console.print(f"log: {log}\n{process.last_words()[-2000:]}", markup=False, highlight=False)
    training = {"recipe": recipe, "state": state, "code": code, "detail": detail, "progress": told, "files": files}
    return {**training, "out": str(out), "log": str(log)}


class Asked:
    """Whether Ctrl-C or SIGTERM came. A handler that raised could be lost: in a finaliser Python ignores exceptions."""

    def __init__(self) -> None:
        self.to_stop = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.to_stop = True


def _watched(process: TrainingProcess, recipe: str, as_json: bool, asked: Asked) -> int:
    """Its exit status; Ctrl-C and SIGTERM let it write a checkpoint first."""
    with training_view.watching(recipe, as_json) as show:
        while (status := process.poll()) is None:
            if asked.to_stop:
                output.console.print("stopping; it writes a checkpoint first")
                return process.stop(GRACE_S)
            progress = process.progress()
            show(str(progress.get("state", "starting")), progress)
            time.sleep(LOOK_S)
    return status


def _end(status: int, process: TrainingProcess) -> tuple[str, str | None, str | None]:
    if status == 0:
        return "succeeded", None, None
    if status < 0 or status == STOPPED:
        return "interrupted", CANCELLED, "go on with --resume"
    return "failed", *process.refusal()


def _absolute(value: object) -> object:
    return value.resolve() if isinstance(value, Path) else value
