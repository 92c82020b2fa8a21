"""`scanmill batch export`: everything that came out, as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.batches import artifacts, exporting
from cli.batches.artifacts import Kept
from cli.batches.command import BatchId, Code, Stage, Statuses, app, service
from cli.batches.exporting import Exported
from cli.connection import connect
from cli.output import Exit, Json

Format = Annotated[str, typer.Option(help="jsonl: whole reports; csv, parquet: a table of the findings.")]
Out = Annotated[Path | None, typer.Option(help="A file; standard output without.")]
Errors = Annotated[
    Path | None, typer.Option("--errors", help="A file for what did not succeed; --out then has the results alone.")
]
Place = Annotated[
    str | None,
    typer.Option("--artifacts", help="A folder for the files of each line; prefix:… in the service's storage."),
]
IN_STORAGE = "prefix:"
Names = Annotated[list[str] | None, typer.Option("--artifact", help="Only files of this name: preview, for instance.")]


@app.command("export")
def export(
    batch_id: BatchId,
    format: Format = "jsonl",  # noqa: A002  the option's name
    out: Out = None,
    errors: Errors = None,
    place: Place = None,
    artifact: Names = None,
    status: Statuses = None,
    code: Code = None,
    stage: Stage = None,
    as_json: Json = False,
) -> None:
    """Write every line, or those you choose, as one file or two, and their files; each has its name once it is whole.

    Fails when an ended batch's lines are not all there afterwards, or a file could not be fetched.
    """
    which = {"status": status, "code": code, "stage": stage}
    chosen = any(which.values())
    if errors is not None and (out is None or chosen or out == errors):
        output.fail(Exit.USAGE, "--errors needs another file for --out, and no --status, --code or --stage", as_json)
    exported, kept = None, None
    try:
        with service(as_json) as batches:
            if out is None and place is None:
                exporting.pour(batches.export(batch_id, format=format, **which))
            elif out is not None and chosen:
                exporting.save(batches.export(batch_id, format=format, **which), out, format)
            elif out is not None:
                exported = exporting.write(batches, batch_id, format, out, errors)
            if place is not None and place.startswith(IN_STORAGE):
                kept = artifacts.copy(batches, batch_id, artifact or (), place.removeprefix(IN_STORAGE))
            elif place is not None:
                kept = artifacts.keep(connect, batch_id, artifact or (), Path(place))
    except OSError as error:
        output.fail(Exit.FAILED, f"{error.filename or out or place}: {error.strerror or error}", as_json)
    if out is not None or place is not None:
        output.emit(_found(exported, kept), as_json, lambda: _tell(out, exported, kept))
    raise typer.Exit(int(_end(exported, kept)))


def _found(exported: Exported | None, kept: Kept | None) -> dict[str, Any]:
    return {
        "lines": asdict(exported) if exported else None,
        "artifacts": {"files": dict(kept.files), "bytes": kept.bytes, "named": kept.named} if kept else None,
    }


def _tell(out: Path | None, exported: Exported | None, kept: Kept | None) -> None:
    if out is not None:
        output.console.print(
            f"{out}: {exported.told() if exported else 'the lines you chose'}", highlight=False, markup=False
        )
    if kept is not None:
        output.console.print(f"files: {kept.told()}", highlight=False)
        for path, reason in kept.named.items():
            output.console.print(f"{path}: {reason}", style="bold red", highlight=False, markup=False)


def _end(exported: Exported | None, kept: Kept | None) -> Exit:
    """Failed for a count that does not come out or a broken file; not fully answered when files had expired."""
    if (exported and not exported.adds_up) or (kept and kept.files["broken"]):
        return Exit.FAILED
    return Exit.NOT_ANSWERED if kept and kept.files["expired"] else Exit.OK
