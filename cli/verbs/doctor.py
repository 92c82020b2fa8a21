"""`scanmill doctor`: whether everything that the processes need is there, and set up as it must be."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from cli import output
from cli.checks import Verdict, examine
from cli.output import Exit, Json

app = typer.Typer()
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@app.command("doctor")
def doctor(
    slots: Annotated[int, typer.Option(help="Worker slots of the whole installation.")] = os.cpu_count() or 1,
    as_json: Json = False,
) -> None:
    """Check settings, servers, clocks, connections, storage and models: one line each; fails when one fails."""
    verdicts = []
    for verdict in examine(slots):
        verdicts.append(verdict)
        output.emit(asdict(verdict), as_json, partial(_show, verdict))
    if any(verdict.state == "fail" for verdict in verdicts):
        raise typer.Exit(int(Exit.FAILED))


def _show(verdict: Verdict) -> None:
    colour = _COLOURS[verdict.state]
    code = "" if verdict.state == "ok" else f" {verdict.code}"
    hint = f" [dim]({verdict.hint})[/dim]" if verdict.hint else ""
    text = f"[{colour}]{verdict.state:4}[/{colour}] {verdict.check:12}{code} {verdict.message}{hint}"
    output.console.print(text, highlight=False, soft_wrap=True)
