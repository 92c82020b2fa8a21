"""`scanmill batch`: many pictures at once, from a plan to a difference."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.batches import follow, plan, shown, sources
from cli.batches.filling import Filled, Filler
from cli.batches.service import Batches
from cli.connection import connect
from cli.output import Exit, Json
from pipeline.sniff import ImageLimits

app = typer.Typer(no_args_is_help=True)
BatchId = Annotated[str, typer.Argument(metavar="BATCH")]
Source = Annotated[Path, typer.Argument(metavar="SOURCE", exists=True, help="A folder, a .zip, or a .jsonl manifest.")]
Globs = Annotated[list[str] | None, typer.Option("--glob", help="Only paths like this; may be given several times.")]
Statuses = Annotated[list[str] | None, typer.Option("--status", help="Only lines in this status.")]
Code = Annotated[str | None, typer.Option(help="Only lines with this code.")]
Stage = Annotated[str | None, typer.Option(help="Only lines that ended at this stage.")]
Options = Annotated[list[str] | None, typer.Option("--option", help="NAME=true or NAME=false, several times.")]
Follow = Annotated[bool, typer.Option("--wait", help="Wait until it has ended, with a bar.")]
Timeout = Annotated[float, typer.Option(help="Give up waiting after so many seconds.")]
_ANSWERED = ("succeeded", "partial", "rejected")
_ENDS = {"failed": Exit.FAILED, "partial": Exit.NOT_ANSWERED, "cancelled": Exit.NOT_ANSWERED}


def _switches(options: list[str] | None) -> dict[str, bool]:
    """NAME=true and NAME=false as switches."""
    found = {}
    for text in options or []:
        name, _, value = text.partition("=")
        if value not in ("true", "false"):
            raise typer.BadParameter(f"{text!r} is not NAME=true or NAME=false", param_hint="--option")
        found[name] = value == "true"
    return found


def _end(batch: dict[str, Any]) -> Exit:
    return _ENDS.get(batch["state"], Exit.OK)


@app.callback()
def group() -> None:
    """Scan many pictures; every verb works on the service, so it goes on when this machine does not."""


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


@app.command("plan")
def plan_source(
    source: Source,
    glob: Globs = None,
    samples: Annotated[int, typer.Option(min=0, help="Pictures that are scanned to learn what one costs.")] = 5,
    slots: Annotated[int, typer.Option(min=1, help="Workers that will be busy with it.")] = 1,
    pipeline: Annotated[str, typer.Option(help="The system to scan with.")] = "cat_face",
    as_json: Json = False,
) -> None:
    """Say what a source holds and what it will take, before anything is queued; fails when nothing can be scanned."""
    with output.exits(as_json), connect() as client:
        try:
            seen = plan.look(sources.lines(source, glob or ()), ImageLimits(), samples)
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
        **cost,
    }
    output.emit(found, as_json, lambda: output.console.print(shown.plan(found)))
    if not found["scans"]:
        raise typer.Exit(int(Exit.NOT_ANSWERED))


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
    wait: Follow = False,
    timeout: Timeout = 86_400,
    as_json: Json = False,
) -> None:
    """Send a source's pictures and let them be scanned. After a break, --into goes on where it stopped."""
    with service(as_json) as batches:
        before = _digests(batches, since) if since else {}
        batch_id = (
            into
            or batches.open(
                pipeline=pipeline,
                name=name or source.name,
                priority=priority,
                failure_budget=failure_budget,
                options=_switches(option),
            )["id"]
        )
        if paused:
            batches.act(batch_id, "pause")
        output.console.print(f"batch {batch_id}", highlight=False)
        filled = _fill(batch_id, source, glob or [], before)
        found = batches.act(batch_id, "finalise")
        if wait:
            found = follow.follow(batches, batch_id, timeout)
        told = {**found, "sent": asdict(filled)}
        output.emit(told, as_json, lambda: output.console.print(shown.counts(found, filled)))
    raise typer.Exit(int(Exit.USAGE if filled.unreadable else _end(found)))


def _fill(batch_id: str, source: Path, globs: list[str], before: dict[str, str]) -> Filled:
    with follow.bar() as progress:
        task = progress.add_task("sending", total=None, told="")
        return Filler(connect, batch_id, before).send(sources.lines(source, globs), lambda: progress.advance(task))


def _digests(batches: Batches, batch_id: str) -> dict[str, str]:
    """Name → SHA-256 of the lines of an earlier batch that have an answer."""
    lines = batches.lines(batch_id)
    return {line["custom_id"]: line["sha256"] for line in lines if line["sha256"] and line["status"] in _ANSWERED}


@app.command("list")
def show_list(limit: Annotated[int, typer.Option(min=1, max=200)] = 20, as_json: Json = False) -> None:
    """The newest batches."""
    with service(as_json) as batches:
        found = batches.listing(limit)
        output.emit(found, as_json, lambda: output.console.print(shown.listing(found)))


@app.command("status")
def status(batch_id: BatchId, wait: Follow = False, timeout: Timeout = 86_400, as_json: Json = False) -> None:
    """A batch's counts, rate and time left; the exit code says how it ended (0 while it is under way)."""
    with service(as_json) as batches:
        found = follow.follow(batches, batch_id, timeout) if wait else batches.get(batch_id)
        output.emit(found, as_json, lambda: output.console.print(shown.counts(found)))
    raise typer.Exit(int(_end(found)))


def _steering(verb: str, sentence: str) -> None:
    @app.command(verb, help=sentence)
    def steer(batch_id: BatchId, as_json: Json = False) -> None:
        with service(as_json) as batches:
            found = batches.act(batch_id, verb)
            output.emit(found, as_json, lambda: output.console.print(shown.counts(found)))


_steering("finalise", "Say that no more pictures come.")
_steering("pause", "Begin nothing more of it; what is under way ends.")
_steering("resume", "Go on after a pause.")
_steering("cancel", "Cancel it for good; finished lines stay.")


@app.command("priority")
def priority(
    batch_id: BatchId, number: Annotated[int, typer.Argument(min=-100, max=100)], as_json: Json = False
) -> None:
    """Give it another place among your batches."""
    with service(as_json) as batches:
        found = batches.prioritise(batch_id, number)
        output.emit(found, as_json, lambda: output.console.print(shown.counts(found)))


@app.command("retry")
def retry(
    batch_id: BatchId,
    status: Statuses = None,
    code: Code = None,
    stage: Stage = None,
    option: Options = None,
    as_json: Json = False,
) -> None:
    """Scan only what failed (or what you choose) again; the result stays one."""
    with service(as_json) as batches:
        total, more = 0, True
        while more:
            done = batches.act(
                batch_id, "retry", status=status, code=code, stage=stage, options=_switches(option) or None
            )
            total, more = total + done["retried"], done["more"]
        told = {"id": batch_id, "retried": total}
        output.emit(told, as_json, lambda: output.console.print(f"{total:,} lines are scanned again", highlight=False))


@app.command("reprocess")
def reprocess(
    batch_id: BatchId,
    name: Annotated[str | None, typer.Option(help="A name for the new batch.")] = None,
    option: Options = None,
    wait: Follow = False,
    timeout: Timeout = 86_400,
    as_json: Json = False,
) -> None:
    """Scan its pictures again by today's pipeline, as a new batch; only what changed is computed."""
    with service(as_json) as batches:
        found = batches.act(batch_id, "reprocess", name=name, options=_switches(option) or None)
        if wait:
            found = follow.follow(batches, found["id"], timeout)
        output.emit(found, as_json, lambda: output.console.print(shown.counts(found)))
    raise typer.Exit(int(_end(found)))


@app.command("errors")
def errors(
    batch_id: BatchId, status: Statuses = None, code: Code = None, stage: Stage = None, as_json: Json = False
) -> None:
    """The codes of what did not succeed, and the first of those lines."""
    with service(as_json) as batches:
        found = batches.errors(batch_id, status=status, code=code, stage=stage)
        output.emit(found, as_json, lambda: output.console.print(shown.errors(found)))


@app.command("export")
def export(
    batch_id: BatchId,
    format: Annotated[str, typer.Option(help="jsonl: whole reports; csv: a table of findings.")] = "jsonl",  # noqa: A002
    out: Annotated[Path | None, typer.Option(help="A file; standard output without.")] = None,
    status: Statuses = None,
    code: Code = None,
    stage: Stage = None,
) -> None:
    """Write every line, or those you choose, as one file; a file stands under its name only once it is whole."""
    with service(as_json=False) as batches:
        parts = batches.export(batch_id, format=format, status=status, code=code, stage=stage)
        if out is None:
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.flush()
            return
        half = out.with_name(f"{out.name}.part")
        with half.open("wb") as opened:
            opened.writelines(parts)
        half.replace(out)
        output.console.print(f"{out}", highlight=False)


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE")],
    after: Annotated[str, typer.Argument(metavar="AFTER")],
    max_flips: Annotated[float | None, typer.Option(min=0, max=1, help="Share of labels that may change.")] = None,
    max_ends: Annotated[float | None, typer.Option(min=0, max=1, help="Share of lines with another status.")] = None,
    max_shift: Annotated[float | None, typer.Option(min=0, max=1, help="Mean shift of probabilities.")] = None,
    min_iou: Annotated[float | None, typer.Option(min=0, max=1, help="Mean overlap of the face boxes.")] = None,
    as_json: Json = False,
) -> None:
    """What changed between two batches; with limits, exit code 1 when one is exceeded."""
    with service(as_json) as batches:
        limits = {"max_flips": max_flips, "max_ends": max_ends, "max_shift": max_shift, "min_iou": min_iou}
        found = batches.diff(before, after, **limits)
        output.emit(found, as_json, lambda: output.console.print(shown.difference(found)))
    if not found["pass"]:
        raise typer.Exit(int(Exit.FAILED))
