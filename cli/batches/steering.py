"""`scanmill batch list`, `status`, `pause` and the other verbs that watch and steer."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli import output
from cli.batches import follow, planned, shown
from cli.batches.command import BatchId, Code, Follow, Options, Stage, Statuses, Timeout, app, end, service, switches
from cli.output import Json


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
    raise typer.Exit(int(end(found)))


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
        chosen = {"status": status, "code": code, "stage": stage, "options": switches(option) or None}
        chosen["before"] = batches.get(batch_id)["as_of"]  # so no line is retried twice, whatever is repeated
        while more:
            done = batches.act(batch_id, "retry", **chosen)
            total, more = total + done["retried"], done["more"]
        told = {"id": batch_id, "retried": total}
        output.emit(told, as_json, lambda: output.console.print(f"{total:,} lines are scanned again", highlight=False))


@app.command("reprocess")
def reprocess(
    batch_id: BatchId,
    name: Annotated[str | None, typer.Option(help="A name for the new batch.")] = None,
    option: Options = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be computed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Follow = False,
    timeout: Timeout = 86_400,
    as_json: Json = False,
) -> None:
    """Scan its pictures again by today's pipeline, as a new batch; only what changed is computed.

    On a terminal it shows the plan and asks first.
    """
    with service(as_json) as batches:
        asks = sys.stdin.isatty() and not (yes or as_json)
        if plan or asks:
            foreseen = batches.reprocess_plan(batch_id, options=switches(option) or None)
            output.emit(foreseen, as_json, lambda: output.console.print(planned.reprocess(foreseen)))
        if plan or (asks and not typer.confirm("Do it?", err=True)):
            raise typer.Exit
        found = batches.act(batch_id, "reprocess", name=name, options=switches(option) or None)
        if wait:
            found = follow.follow(batches, found["id"], timeout)
        output.emit(found, as_json, lambda: output.console.print(shown.counts(found)))
    raise typer.Exit(int(end(found)))
