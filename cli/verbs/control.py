"""`scanmill control`: publishes pipelines, admits work, re-opens expired leases; two may run."""

from __future__ import annotations

import typer

from cli import output
from cli.output import Json
from db.settings import DatabaseSettings
from tasks.settings import TaskSettings
from workers import control as process

app = typer.Typer()


@app.command("control")
def control(as_json: Json = False) -> None:
    """Run until SIGTERM; refuses to start without its URLs."""
    with output.exits(as_json):
        settings = TaskSettings()
        DatabaseSettings()
        process.main(settings)
