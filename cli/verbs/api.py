"""`scanmill api`: gunicorn with its threaded workers, in place of this process."""

from __future__ import annotations

import os
import sys

import typer

from api.scanpack.settings import SigningSettings
from api.settings import ApiSettings
from api.startup import StartRefused, check_start
from cli import output
from cli.access import ledger
from cli.output import Exit, Json
from db.settings import DatabaseSettings
from storage.settings import StorageSettings
from tasks.settings import TaskSettings

app = typer.Typer()


@app.command("api")
def api(as_json: Json = False) -> None:
    """Serve HTTP on SCANMILL_API_HOST and SCANMILL_API_PORT; refuses to start without its URLs or without any key."""
    with output.exits(as_json):
        settings = ApiSettings()
        DatabaseSettings(), TaskSettings(), StorageSettings(), SigningSettings()
        try:
            with ledger() as database:
                check_start(settings, database)
        except StartRefused as error:
            output.fail(Exit.USAGE, str(error), as_json)
    words = ["-P", "-m", "gunicorn", "-c", "python:api.gunicorn_conf", "api.wsgi:app"]
    os.execv(sys.executable, [sys.executable, *words])
