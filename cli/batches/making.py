"""`scanmill batch plan` and `create`: from a source to a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.batches import follow, plan, shown, sources, there
from cli.batches.command import Follow, Options, Timeout, app, end, service, switches
from cli.batches.filling import Filled, Filler
from cli.batches.service import Batches
from cli.connection import connect
from cli.output import Exit, Json
from pipeline.sniff import ImageLimits

Source = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A folder, a .zip, or a .jsonl manifest; on the service, server:/FOLDER or prefix:OBJECTS.",
    ),
]
Globs = Annotated[list[str] | None, typer.Option("--glob", help="Only paths like this; may be given several times.")]
Training = Annotated[
    bool | None, typer.Option("--training/--no-training", help="Whether lines that do not say so may be used for it.")
]
_ANSWERED = ("succeeded", "partial", "rejected")


@app.command("plan")
def plan_source(
    source: Source,
    glob: Globs = None,
    samples: Annotated[int, typer.Option(min=0, help="Pictures that are scanned to learn what one costs.")] = 5,
    slots: Annotated[int, typer.Option(min=1, help="Workers that will be busy with it.")] = 1,
    pipeline: Annotated[str, typer.Option(help="The system to scan with.")] = "cat_face",
    near: Annotated[
        int | None, typer.Option(min=0, max=12, help="Decode all and name pairs that differ in so many of 64 bits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a source holds and what it will take, before anything is queued; fails when nothing can be scanned."""
    with output.exits(as_json), connect() as client:
        try:
            if there.is_there(source):
                raise sources.SourceError("a source on the service cannot be planned: only the service sees into it")
            seen, pairs = _seen(sources.lines(source, glob or ()), samples, near, as_json)
        except sources.SourceError as error:
            output.fail(Exit.USAGE, str(error), as_json)
        cost = plan.estimate(seen, plan.measure(client, seen.good, pipeline), slots)
    found = {
        "lines": seen.lines,
        "bytes": seen.bytes,
        "references": seen.references,
        "duplicates": seen.duplicates,
        "bad": dict(seen.bad),
        "named": seen.named,
        "modes": dict(seen.modes),
        "near": pairs,
        **cost,
    }
    output.emit(found, as_json, lambda: output.console.print(shown.plan(found)))
    if not found["scans"]:
        raise typer.Exit(int(Exit.NOT_ANSWERED))


def _seen(
    lines: Iterator[sources.Line], samples: int, near: int | None, as_json: bool
) -> tuple[plan.Plan, dict[str, Any] | None]:
    """What the lines are; with a distance, also which of them look alike, and which cannot be decoded."""
    if near is None:
        return plan.look(lines, ImageLimits(), samples), None
    try:
        from cli.batches.looks import Looks  # noqa: PLC0415  decoders and scipy, which headers do without
    except ImportError as error:
        output.fail(Exit.USAGE, f"--near needs the package {error.name}", as_json)
    with Looks(ImageLimits()) as looks:
        seen = plan.look(lines, ImageLimits(), samples, looks.add)
        pairs = looks.found(near)
    for code, name in looks.refused:
        seen.refuse(code, name)
    return seen, pairs


@app.command("create")
def create(
    source: Source,
    glob: Globs = None,
    name: Annotated[str | None, typer.Option(help="A name to know it by.")] = None,
    pipeline: Annotated[str, typer.Option(help="The system to scan with.")] = "cat_face",
    option: Options = None,
    priority: Annotated[int, typer.Option(help="Higher goes first among your batches.")] = 0,
    failure_budget: Annotated[int | None, typer.Option(help="Stop when more scans than this have failed.")] = None,
    since: Annotated[str | None, typer.Option(metavar="BATCH", help="Only what is new or changed since then.")] = None,
    into: Annotated[str | None, typer.Option(metavar="BATCH", help="Go on filling a batch that is still open.")] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Begin nothing before `batch resume`.")] = False,
    training: Training = None,
    wait: Follow = False,
    timeout: Timeout = 86_400,
    as_json: Json = False,
) -> None:
    """Send a source's pictures and let them be scanned. After a break, --into goes on where it stopped."""
    with service(as_json) as batches:
        wanted = there.source(source, glob, since, into)
        before = _digests(batches, since) if since and not wanted else {}
        batch_id = (
            into
            or batches.open(
                pipeline=pipeline,
                name=name or source.name,
                priority=priority,
                failure_budget=failure_budget,
                options=switches(option),
                consent=None if training is None else {"training": training},
                source=wanted,
            )["id"]
        )
        if paused:
            batches.act(batch_id, "pause")
        output.console.print(f"batch {batch_id}", highlight=False)
        filled = Filled() if wanted else _fill(batch_id, source, glob or [], before)
        found = batches.get(batch_id) if wanted else batches.act(batch_id, "finalise")
        if wait:
            found = follow.follow(batches, batch_id, timeout)
        told = {**found, "sent": asdict(filled)}
        output.emit(told, as_json, lambda: output.console.print(shown.counts(found, filled)))
    raise typer.Exit(int(Exit.USAGE if filled.unreadable else end(found)))


def _fill(batch_id: str, source: Path, globs: list[str], before: dict[str, str]) -> Filled:
    with follow.bar() as progress:
        task = progress.add_task("sending", total=None, told="")
        return Filler(connect, batch_id, before).send(sources.lines(source, globs), lambda: progress.advance(task))


def _digests(batches: Batches, batch_id: str) -> dict[str, str]:
    """Name → SHA-256 of the lines of an earlier batch that have an answer."""
    lines = batches.lines(batch_id)
    return {line["custom_id"]: line["sha256"] for line in lines if line["sha256"] and line["status"] in _ANSWERED}
