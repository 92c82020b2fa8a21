"""`scanmill report DIR`: a folder of photographs through the whole service on this machine, and one page of what came out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.client import Client
from cli.demo import report as page
from cli.demo import samples
from cli.demo.board import code_of
from cli.demo.follow import Progress
from cli.demo.rates import rates
from cli.demo.watch import watched
from cli.local import LocalService, Options, running
from cli.output import Exit, Json
from cli.settings import LocalSettings
from cli.verbs.up import tell

app = typer.Typer()


@app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", exists=True, help="A folder of pictures, or one picture.")],
    to: Annotated[Path | None, typer.Option(help="The page; by default report.html in var/report.")] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes 8080 or any free one.")] = 0,
    slots: Annotated[int, typer.Option(help="Worker processes; 0 takes one per core, four at most.")] = 0,
    as_json: Json = False,
) -> None:
    """Scan every picture below DIR and write one page that needs no network: pictures, findings, failures, rates.

    Keeps its data in var/report and forgets it at the next start. With --json one object on standard output.
    """
    with output.exits(as_json):
        pictures = samples.from_folder(folder)
        service = LocalService(Options(LocalSettings().var / "report", "report", port, slots, fresh=True), tell)
        with running(service), Client(service.url, service.key) as client:
            tell(f"submitting {len(pictures)} pictures to {service.url}")
            progress = watched(service, client, pictures, keep=False)
            tell("writing the page")
            found = rates(progress)
            written = page.write(
                progress, client, to or service.var / "report.html", service.url, verb="report", rates=found
            )
        told = {"page": str(written.resolve()), **summary(progress), "rates": [asdict(rate) for rate in found]}
        output.emit(told, as_json, lambda: _tell(told))
    raise typer.Exit(int(Exit.FAILED if told["statuses"].get("failed") else Exit.OK))


def summary(progress: Progress) -> dict[str, Any]:
    """How many pictures ended how, and with which code."""
    codes = Counter(code for each in progress.followed if (code := code_of(each)))
    return {
        "pictures": len(progress.followed),
        "statuses": dict(Counter(each.status for each in progress.followed)),
        "codes": dict(codes.most_common()),
    }


def _tell(told: dict[str, Any]) -> None:
    for name in ("statuses", "codes"):
        tell(", ".join(f"{count} {key}" for key, count in told[name].items()) or f"no {name}")
    for rate in told["rates"]:
        if rate["share"] is not None:
            tell(f"{rate['name']}: {rate['share']:.1%} ({rate['low']:.1%} to {rate['high']:.1%}) of {rate['n']}")
    tell(f"every picture, finding and heat map: file://{told['page']}")
