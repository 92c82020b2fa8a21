"""`scanmill up`: the whole service on this machine until Ctrl-C."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cli import output
from cli.local import LocalService, Options, running
from cli.output import Json
from cli.settings import LocalSettings
from tasks.training.recipes import NoTraining, require_training

app = typer.Typer()


@app.command("up")
def up(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes 8080 or any free one.")] = 0,
    slots: Annotated[int, typer.Option(help="Worker processes; 0 takes one per core, four at most.")] = 0,
    train: Annotated[
        bool, typer.Option("--train", help="One slot trains (it needs requirements/training.in).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start PostgreSQL, Redis, control, workers and API below ./var, print address and key, run until Ctrl-C."""
    with output.exits(as_json):
        try:
            if train:
                require_training()
        except NoTraining as error:
            output.fail(output.Exit.USAGE, str(error), as_json)
        service = LocalService(Options(LocalSettings().var, "local", port, slots, train=train), tell)
        try:
            with running(service):
                answer = {"url": service.url, "key": service.key, "var": str(service.var)}
                output.emit(answer, as_json, lambda: welcome(service))
                while True:
                    service.tick()
                    time.sleep(0.25)
        except KeyboardInterrupt:
            tell("stopped")


def tell(line: str) -> None:
    """A line for people, on stderr."""
    output.console.print(f"[dim]·[/dim] {line}", highlight=False)


def welcome(service: LocalService) -> None:
    """Say where the service is and how to talk to it."""
    lines = [
        f"[bold green]Scanmill is running[/bold green] at [bold]{service.url}[/bold]",
        f"  API key        {service.key}",
        f"  documentation  {service.url}/docs",
        f"  in a shell     set -a; . {service.var}/run.env; scanmill submit --wait cat.jpg",
        f"  Flower         set -a; . {service.var}/run.env; scanmill flower",
        f"  logs           {service.logs}",
        "  Ctrl-C stops everything.",
    ]
    output.console.print("\n".join(lines), highlight=False, soft_wrap=True)
