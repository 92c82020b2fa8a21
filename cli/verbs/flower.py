"""`scanmill flower`: the real Flower on loopback, behind a password."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli import output
from cli.output import Json
from tasks.settings import TaskSettings

app = typer.Typer()

CONFIG = Path(__file__).resolve().parents[2] / "monitoring" / "flower" / "flowerconfig.py"


class FlowerSettings(BaseSettings):
    """Who may look into Flower."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", extra="ignore")

    flower_user: str = Field("scanmill", description="Flower's user name")
    flower_password: SecretStr | None = Field(None, description="Flower's password; without it one is made and shown")


@app.command("flower")
def flower(
    port: Annotated[int, typer.Option(help="Port.")] = 5555,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Show workers and stage tasks in the browser. Results are empty there: the ledger has them, not Celery."""
    with output.exits(as_json):
        settings, redis_url = FlowerSettings(), TaskSettings().redis_url.get_secret_value()
    user = settings.flower_user
    given = settings.flower_password.get_secret_value() if settings.flower_password else None
    password = given or secrets.token_urlsafe(12)
    answer = {"url": f"http://{address}:{port}", "user": user, "password": None if given else password}
    shown = "SCANMILL_FLOWER_PASSWORD" if given else f"[bold]{password}[/bold]"
    line = f"Flower is at http://{address}:{port}, user {user}, password {shown}; Ctrl-C stops it"
    output.emit(answer, as_json, lambda: output.console.print(line, highlight=False))
    environment = {  # neither the broker's password nor ours is in the process list
        **{name: value for name, value in os.environ.items() if not name.startswith("FLOWER_")},
        "CELERY_BROKER_URL": redis_url,
        "FLOWER_BASIC_AUTH": f"{user}:{password}",
    }
    words = ["-m", "celery", "--quiet", "flower", f"--conf={CONFIG}", f"--address={address}", f"--port={port}"]
    os.execve(sys.executable, [sys.executable, *words], environment)
