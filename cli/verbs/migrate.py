"""`scanmill migrate`: a step of its own, so that no server changes the schema while it starts."""

from __future__ import annotations

import typer

from cli import output
from cli.access import ledger
from cli.output import Json
from db import migrate as migrations

app = typer.Typer()


@app.command("migrate")
def migrate(as_json: Json = False) -> None:
    """Apply every migration that is missing; safe to run twice and from several hosts at once."""
    with output.exits(as_json), ledger() as database:
        behind = migrations.pending(database)
        migrations.upgrade(database)
    said = "migrated to the newest schema" if behind else "already at the newest schema"
    output.emit({"migrated": behind}, as_json, lambda: output.console.print(said))
