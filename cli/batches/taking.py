"""`scanmill batch pack` and `report`: a whole batch in one file, or in a folder to look at."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from cli import output, scanpack
from cli.batches.command import BatchId, app, service
from cli.batches.service import Batches
from cli.output import Exit, Json
from cli.scanpack import Verdict


@app.command("pack")
def pack(
    batch_id: BatchId,
    out: Annotated[Path | None, typer.Option(help="The file; by default BATCH.scanpack.zip here.")] = None,
    as_json: Json = False,
) -> None:
    """Write an ended batch as one signed ZIP; it stands under its name only once it is whole."""
    with service(as_json) as batches:
        path = out or Path(f"{batch_id}.scanpack.zip")
        verdict = _fetch(batches, batch_id, path, as_json)
        told = {"file": str(path), "files": verdict.files, "bytes": path.stat().st_size, "key": verdict.key}
        output.emit(told, as_json, lambda: output.console.print(_words(path, verdict), highlight=False))


@app.command("report")
def report(
    batch_id: BatchId,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that is not there yet, or is empty.")],
    as_json: Json = False,
) -> None:
    """Write an ended batch's pages with their pictures into a folder; they need no network. All of its pack is there."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        output.fail(Exit.USAGE, f"{out} is there already, and not empty", as_json)
    with service(as_json) as batches, tempfile.TemporaryDirectory(dir=_parent(out), prefix=".report-") as draft:
        verdict = _fetch(batches, batch_id, Path(draft) / "pack", as_json)
        scanpack.extract(Path(draft) / "pack", Path(draft) / "pages")
        (Path(draft) / "pages").replace(out)
        told = {"folder": str(out), "page": str(out / "index.html"), "files": verdict.files}
        output.emit(told, as_json, lambda: output.console.print(f"file://{(out / 'index.html').resolve()}"))


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent


def _fetch(batches: Batches, batch_id: str, path: Path, as_json: bool) -> Verdict:
    """Fetch a pack and look at every byte of it before it gets its name."""
    half = path.with_name(f"{path.name}.part")
    try:
        with half.open("wb") as opened, _bar() as progress:
            task = progress.add_task("packing", total=None)
            for part in batches.pack(batch_id):
                opened.write(part)
                progress.advance(task, len(part))
        verdict = scanpack.verify(half)
        if verdict.damaged:
            output.fail(Exit.FAILED, f"what came is no whole scanpack: {verdict.damaged}", as_json)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return verdict


def _bar() -> Progress:
    """Bytes so far: how many there will be, nobody knows before all are there."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(
        *columns, TimeElapsedColumn(), console=output.console, disable=not output.console.is_terminal, transient=True
    )


def _words(path: Path, verdict: Verdict) -> str:
    signed = f"signed by key {verdict.key}" if verdict.key else "not signed: the service has no signing key"
    return f"{path}: {verdict.files:,} files, {signed}"
