"""`scanmill demo`: real pictures through a real service on this machine, with everything to look at afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.client import Client
from cli.demo import board, report, samples
from cli.demo.follow import Followed, Progress
from cli.demo.samples import Sample
from cli.demo.watch import watched
from cli.local import LocalService, Options, running
from cli.output import Exit, Json
from cli.settings import LocalSettings
from cli.verbs.up import tell, welcome

app = typer.Typer()


@app.command("demo")
def demo(
    photos: Annotated[
        Path | None, typer.Option(exists=True, help="A picture, or a folder of them, to scan too.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when every picture is answered.")] = False,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes 8080 or any free one.")] = 0,
    slots: Annotated[int, typer.Option(help="Worker processes; 0 takes one per core, four at most.")] = 0,
    as_json: Json = False,
) -> None:
    """Start everything, scan sample pictures and your own, show the results, go on serving until Ctrl-C.

    Keeps its data in var/demo and forgets it at the next start. With --json one object per picture on standard output.
    """
    with output.exits(as_json):
        pictures = [*samples.bundled(), *(samples.from_folder(photos) if photos else [])]
        service = LocalService(Options(LocalSettings().var / "demo", "demo", port, slots, fresh=True), tell)
        try:
            with running(service):
                progress = _scan(service, pictures, as_json)
                if not once:
                    welcome(service)
                while not once:
                    service.tick()
                    time.sleep(0.25)
        except KeyboardInterrupt:
            if once:
                raise
            tell("stopped")
            return
    raise typer.Exit(int(_end(progress)))


def _scan(service: LocalService, pictures: list[Sample], as_json: bool) -> Progress:
    tell(f"submitting {len(pictures)} pictures to {service.url}")
    with Client(service.url, service.key) as client:
        progress = watched(service, client, pictures)
        for each in progress.followed:
            output.emit(row_of(each), as_json, lambda: None)
        if not as_json:
            output.console.print(board.results(progress))
        page = report.write(progress, client, service.var / "report.html", service.url)
    tell(f"every picture, finding and heat map: file://{page}")
    return progress


def row_of(each: Followed) -> dict[str, Any]:
    """What `--json` says of one picture; `id` is null for one that the API refused."""
    scan = each.scan
    return {
        "id": scan.id if scan else None,
        "file": each.sample.name,
        "status": each.status,
        "code": board.code_of(each),
        "findings": scan.findings if scan else {},
        "health_score": scan.health_score if scan else None,
        "artifacts": [artifact.name for artifact in scan.artifacts] if scan else [],
        "stages": [
            {
                "name": stage.name,
                "outcome": stage.state,
                "code": stage.code,
                "attempts": stage.attempts,
                "reused": stage.reused,
                "ms": stage.compute_ms,
                "started_at": stage.started_at,
                "finished_at": stage.finished_at,
            }
            for stage in (scan.stages if scan else ())
        ],
    }


def _end(progress: Progress) -> Exit:
    """The demo fails when a scan failed; rejected pictures are part of the show."""
    return Exit.FAILED if any(each.status == "failed" for each in progress.followed) else Exit.OK
