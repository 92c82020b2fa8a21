"""The command group `scanmill batch`, and what its verbs share: options, the service's door, exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from cli import output
from cli.batches import sources
from cli.batches.service import Batches
from cli.connection import connect
from cli.output import Exit

app = typer.Typer(no_args_is_help=True)
BatchId = Annotated[str, typer.Argument(metavar="BATCH")]
Statuses = Annotated[list[str] | None, typer.Option("--status", help="Only lines in this status.")]
Code = Annotated[str | None, typer.Option(help="Only lines with this code.")]
Stage = Annotated[str | None, typer.Option(help="Only lines that ended at this stage.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", help="NAME=true, NAME=false or NAME=NUMBER, several times.")
]
Follow = Annotated[bool, typer.Option("--wait", help="Wait until it has ended, with a bar.")]
Timeout = Annotated[float, typer.Option(help="Give up waiting after so many seconds.")]
_ENDS = {"failed": Exit.FAILED, "partial": Exit.NOT_ANSWERED, "cancelled": Exit.NOT_ANSWERED}


@app.callback()
def group() -> None:
    """Scan many pictures; every verb works on the service, so it goes on when this machine does not."""


def switches(options: list[str] | None) -> dict[str, bool | float | str]:
    """NAME=true and NAME=false as switches, NAME=NUMBER as a number, NAME=TEXT as a choice."""
    found: dict[str, bool | float | str] = {}
    for text in options or []:
        name, _, value = text.partition("=")
        if not value:
            told = f"{text!r} is not NAME=true, NAME=false, NAME=NUMBER or NAME=TEXT"
            raise typer.BadParameter(told, param_hint="--option")
        try:
            found[name] = value == "true" if value in ("true", "false") else float(value)
        except ValueError:
            found[name] = value
    return found


def end(batch: dict[str, Any]) -> Exit:
    """The exit code of a batch as it is now; 0 while it is under way."""
    return _ENDS.get(batch["state"], Exit.OK)


@contextmanager
def service(as_json: bool) -> Iterator[Batches]:
    """The service's batches, and an exit code for everything that may go wrong."""
    with output.exits(as_json), connect() as client:
        try:
            yield Batches(client)
        except sources.SourceError as error:
            output.fail(Exit.USAGE, str(error), as_json)
        except TimeoutError as error:
            output.fail(Exit.FAILED, str(error), as_json)
