"""`scanmill worker`: one Celery process group per slot, under a supervisor."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.output import Exit, Json
from db.settings import DatabaseSettings
from storage.settings import StorageSettings
from tasks.settings import TaskSettings
from tasks.training.recipes import NoTraining
from workers import supervisor
from workers.settings import WorkerSettings

app = typer.Typer()


@app.command("worker")
def worker(
    slots: Annotated[int | None, typer.Option(min=0, help="CPU slots; else SCANMILL_WORKER_SLOTS.")] = None,
    gpus: Annotated[
        str | None, typer.Option(metavar="0,1", help="GPU ids, one slot each; else SCANMILL_WORKER_GPUS.")
    ] = None,
    train: Annotated[int | None, typer.Option(min=0, help="Training slots; else SCANMILL_WORKER_TRAIN_SLOTS.")] = None,
    allow_cpu: Annotated[bool | None, typer.Option("--allow-cpu", help="CPU slots take the gpu queues too.")] = None,
    as_json: Json = False,
) -> None:
    """Work until SIGTERM; refuses to start without its URLs, and for a GPU that is not there."""
    given: dict[str, Any] = {"slots": slots, "gpus": _ids(gpus), "train_slots": train, "allow_cpu": allow_cpu}
    with output.exits(as_json):
        settings = WorkerSettings(**{name: value for name, value in given.items() if value is not None})
        DatabaseSettings(), TaskSettings(), StorageSettings()
        if not supervisor.plan(settings) and not settings.use_gpu:
            output.fail(Exit.USAGE, "there is nothing to do: no slots and no GPUs", as_json)
        try:
            supervisor.main(settings)
        except (supervisor.NoGpu, NoTraining) as error:
            output.fail(Exit.USAGE, str(error), as_json)


def _ids(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of GPU ids such as 0,1", param_hint="--gpus") from None
