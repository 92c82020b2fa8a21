"""`scanmill models versions|register|goldens|verify|promote|rollback`: works on database and storage themselves."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import output
from cli.access import ledger
from cli.output import Exit, Json
from db import model_promotions, model_versions
from db.model_promotions import PROMOTE, ROLLBACK, Request
from db.session import Database
from pipeline.errors import AlreadyCurrent, AmbiguousVersion, NoEarlierVersion, NotFound

PATIENCE_S = 180.0
Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name, as in its manifest.")]
Pack = Annotated[Path, typer.Argument(metavar="PACK_FOLDER", exists=True, file_okay=False)]
Why = Annotated[str | None, typer.Option(help="Why, for the history.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for control to verify and decide.")]


def versions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this model's.")] = None,
    as_json: Json = False,
) -> None:
    """List the versions that the database knows, and which ones new scans get."""
    with output.exits(as_json), ledger() as database, database.begin() as connection:
        known = model_versions.listing(connection, name)
        current = model_promotions.current(connection)
    found = [
        {key: value for key, value in asdict(each).items() if key not in ("id", "entry", "goldens")}
        | {"current": current.get(each.name) == each.digest, "goldens": len((each.goldens or {}).get("pictures", ()))}
        for each in known
    ]
    output.emit(found, as_json, lambda: output.console.print(_table(found)))


def register(pack: Pack, as_json: Json = False) -> None:
    """Bring the models of a pack in: files to storage, entries and golden pictures to the database."""
    from cli.model_packs import register_pack  # noqa: PLC0415  numpy, which `models list` and `promote` do without

    with output.exits(as_json), ledger() as database:
        found = [
            {"name": each.name, "version": each.version, "digest": each.digest, "state": each.state}
            for each in register_pack(database, pack)
        ]
    named = ", ".join(f"{each['name']} {each['version']}" for each in found)
    output.emit(found, as_json, lambda: output.console.print(f"registered {named}"))


def goldens(
    pack: Pack,
    picture: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="A picture of yours too; several times.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="How far outputs may differ on another profile.")
    ] = 0.001,
    as_json: Json = False,
) -> None:
    """Record what the models of a pack answer now, to painted pictures and yours, in its goldens.json."""
    from cli.model_packs import record_goldens  # noqa: PLC0415  brings an ML runtime

    with output.exits(as_json):
        recorded = record_goldens(pack, picture or [], tolerance)
    output.emit(recorded, as_json, lambda: output.console.print(f"recorded {len(recorded)} models in {pack}"))


def verify(as_json: Json = False) -> None:
    """Check digests, golden pictures and equal answers in all runtimes, of all packs and versions; fails when one does."""
    from cli.model_packs import verify_all  # noqa: PLC0415  what a child does with an ML runtime is looked up there

    with output.exits(as_json):
        checked = verify_all()
    output.emit(
        [asdict(each) for each in checked], as_json, lambda: output.console.print(_checked(list(map(asdict, checked))))
    )
    if any(each.code for each in checked):
        raise typer.Exit(int(Exit.FAILED))


def promote(
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Its version, or 8 digits or more of its digest.")],
    why: Why = None,
    new_labels: Annotated[bool, typer.Option("--new-labels", help="Other labels or outputs are meant.")] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Make a version the one that new scans get, once it has reproduced its golden pictures beside the current one."""
    with output.exits(as_json), ledger() as database:
        with database.begin() as connection:
            found = model_versions.chosen(connection, name, version)
            if not found:
                raise NotFound(f"no {name} {version} is registered")
            if len(found) > 1:
                raise AmbiguousVersion(", ".join(each.digest[:12] for each in found))
            if model_promotions.current(connection).get(name) == found[0].digest:
                raise AlreadyCurrent(f"{name} {found[0].digest[:12]}")
            asked = model_promotions.ask(
                connection, PROMOTE, name, found[0].digest, by=getpass.getuser(), why=why, relabel=new_labels
            )
        _end(asked if no_wait else _awaited(database, asked, as_json), as_json)


def rollback(name: Name, why: Why = None, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Go back to the version before the current one."""
    with output.exits(as_json), ledger() as database:
        with database.begin() as connection:
            if model_promotions.before(model_promotions.history(connection, name)) is None:
                raise NoEarlierVersion(name)
            asked = model_promotions.ask(connection, ROLLBACK, name, None, by=getpass.getuser(), why=why, relabel=False)
        _end(asked if no_wait else _awaited(database, asked, as_json), as_json)


def attach(app: typer.Typer) -> None:
    """Make these verbs of the group."""
    for verb in (versions, register, goldens, verify, promote, rollback):
        app.command(verb.__name__)(verb)


def _awaited(database: Database, asked: Request, as_json: bool) -> Request:
    """The request as control ended it; ends the verb when none has within three minutes."""
    deadline = time.monotonic() + PATIENCE_S
    while asked.state == "asked" and time.monotonic() < deadline:
        time.sleep(0.2)
        with database.begin() as connection:
            asked = model_promotions.request(connection, asked.id) or asked
    if asked.state == "asked":
        output.fail(Exit.UNREACHABLE, f"no control has settled request {asked.id} yet; it stays open", as_json)
    return asked


def _end(asked: Request, as_json: bool) -> None:
    if asked.state == "refused":
        output.fail(Exit.FAILED, f"{asked.code}: {asked.detail}", as_json, code=asked.code, request=asked.id)
    said = f"{asked.kind} of {asked.name}: {asked.detail}" if asked.state == "done" else f"asked, as request {asked.id}"
    output.emit(asdict(asked), as_json, lambda: output.console.print(said))


def _table(found: Sequence[dict[str, Any]]) -> Table:
    table = Table("model", "version", "digest", "pack", "goldens", "state", "current", box=None, pad_edge=False)
    for each in found:
        state = f"[bold red]{each['code']}[/bold red]" if each["state"] == "refused" else each["state"]
        cells = (each["name"], each["version"], each["digest"][:12], each["pack"], str(each["goldens"]), state)
        table.add_row(*cells, "yes" if each["current"] else "")
    return table


def _checked(found: Sequence[dict[str, Any]]) -> Table:
    table = Table("model", "version", "digest", "pack", "state", "detail", box=None, pad_edge=False)
    for each in found:
        state = f"[bold red]{each['code']}[/bold red]" if each["code"] else "ok"
        table.add_row(each["name"], each["version"], each["digest"][:12], each["pack"], state, each["detail"])
    return table
