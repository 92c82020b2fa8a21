"""`scanmill batch errors` and `diff`: what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.batches import shown
from cli.batches.command import BatchId, Code, Stage, Statuses, app, service
from cli.batches.files import whole
from cli.output import Exit, Json


@app.command("errors")
def errors(
    batch_id: BatchId, status: Statuses = None, code: Code = None, stage: Stage = None, as_json: Json = False
) -> None:
    """The codes of what did not succeed, and the first of those lines."""
    with service(as_json) as batches:
        found = batches.errors(batch_id, status=status, code=code, stage=stage)
        output.emit(found, as_json, lambda: output.console.print(shown.errors(found)))


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE")],
    after: Annotated[str, typer.Argument(metavar="AFTER")],
    max_flips: Annotated[float | None, typer.Option(min=0, max=1, help="Share of labels that may change.")] = None,
    max_ends: Annotated[float | None, typer.Option(min=0, max=1, help="Share of lines with another status.")] = None,
    max_shift: Annotated[float | None, typer.Option(min=0, max=1, help="Mean shift of probabilities.")] = None,
    min_iou: Annotated[float | None, typer.Option(min=0, max=1, help="Mean overlap of the face boxes.")] = None,
    min_likeness: Annotated[float | None, typer.Option(min=-1, max=1, help="Mean likeness of the heat maps.")] = None,
    report: Annotated[Path | None, typer.Option(help="A folder for a page, the figures and the table.")] = None,
    csv: Annotated[Path | None, typer.Option(help="A file for every changed line.")] = None,
    as_json: Json = False,
) -> None:
    """What changed between two batches; with limits, exit code 1 when one is exceeded."""
    limits = {"max_flips": max_flips, "max_ends": max_ends, "max_shift": max_shift, "min_iou": min_iou}
    limits["min_likeness"] = min_likeness
    with service(as_json) as batches:
        found = batches.diff(before, after, **limits)
        if csv is not None:
            whole(csv, batches.diff_lines(before, after))
        if report is not None:
            from cli.batches import diff_report  # noqa: PLC0415  Pillow, which the API's image does without

            output.console.print(f"{diff_report.write(report, batches, found, limits)}", highlight=False)
        output.emit(found, as_json, lambda: output.console.print(shown.difference(found)))
    if not found["pass"]:
        raise typer.Exit(int(Exit.FAILED))
