"""`scanmill models fetch`: the files that a pack's manifest names, from their pinned addresses or a mirror."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from cli import output
from cli.download import FetchBroken, FetchRefused, Tell, Wanted, copy, download
from cli.output import Exit, Json
from cli.packs import PackSettings, same_file
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import ModelEntry, read_manifest

_ENDS = {"present": Exit.OK, "fetched": Exit.OK, "refused": Exit.FAILED, "broken": Exit.UNREACHABLE}
_SAID = {"present": "was there", "fetched": "fetched", "refused": "refused", "broken": "broke off: try again"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """How one file ended: present, fetched, refused (other bytes, no address) or broken (again goes on)."""

    pack: str
    models: list[str]
    file: str
    sha256: str
    state: str
    source: str = ""
    bytes: int | None = None
    resumed_from: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where files come from, and where they go."""

    mirror: str | None
    into: Path
    allow_http: bool


def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models; all of the pack if none.")] = None,
    pack: Annotated[str, typer.Option(help="The pack.")] = "public",
    mirror: Annotated[
        str | None, typer.Option(help="Folder or address with the files; SCANMILL_MODEL_MIRROR if not given.")
    ] = None,
    into: Annotated[Path | None, typer.Option(help="Another folder than the pack's, for instance a mirror's.")] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Take http addresses too, for a mirror inside.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch model files; each gets its name when its SHA-256 is the manifest's. Again goes on where it broke off."""
    with output.exits(as_json):
        settings = PackSettings()
        entries = _entries(settings.root / pack / "manifest.toml", pack, names or [], as_json)
        place = Place(mirror or settings.mirror, into or settings.root / pack, allow_http)
        found = list(_fetch_all(entries, place, quiet=as_json))
        output.emit([asdict(each) for each in found], as_json, lambda: output.console.print(_table(found)))
    if worst := max((_ENDS[each.state] for each in found), default=Exit.OK):
        raise typer.Exit(int(worst))


def _entries(manifest: Path, pack: str, names: list[str], as_json: bool) -> list[ModelEntry]:
    try:
        known = read_manifest(manifest, pack)
    except ManifestError as error:
        output.fail(Exit.USAGE, str(error), as_json)
    if strange := sorted(set(names) - set(known)):
        output.fail(Exit.USAGE, f"the pack {pack} has no {', '.join(strange)}; it has {', '.join(known)}", as_json)
    return [entry for name, entry in known.items() if not names or name in names]


def _fetch_all(entries: list[ModelEntry], place: Place, *, quiet: bool) -> Iterable[Fetched]:
    """One file after the other; a file that several models share once."""
    files: dict[str, list[ModelEntry]] = {}
    for entry in entries:
        files.setdefault(entry.file, []).append(entry)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    hidden = quiet or not output.console.is_terminal
    with Progress(*columns, console=output.console, transient=True, disable=hidden) as progress:
        for file, sharing in files.items():
            task = progress.add_task(file, total=sharing[0].bytes)
            yield _fetch_one(sharing, place, partial(_show, progress, task))


def _show(progress: Progress, task: TaskID, done: int, total: int | None) -> None:
    progress.update(task, completed=done, total=total)


def _fetch_one(sharing: list[ModelEntry], place: Place, tell: Tell) -> Fetched:
    entry = sharing[0]
    wanted, names = Wanted(place.into / entry.file, entry.sha256, entry.bytes), [each.name for each in sharing]
    if len({each.sha256 for each in sharing}) > 1:
        return Fetched(entry.pack, names, entry.file, entry.sha256, "refused", error="two digests for one file name")
    if same_file(wanted.path, entry.sha256):
        size = wanted.path.stat().st_size
        return Fetched(entry.pack, names, entry.file, entry.sha256, "present", str(wanted.path), size)
    source = _source(entry, place.mirror)
    try:
        resumed = _from(source, wanted, tell, place)
    except (FetchRefused, FetchBroken, OSError) as error:
        state = "broken" if isinstance(error, FetchBroken) else "refused"
        return Fetched(entry.pack, names, entry.file, entry.sha256, state, str(source or ""), error=str(error))
    size = wanted.path.stat().st_size
    return Fetched(entry.pack, names, entry.file, entry.sha256, "fetched", str(source), size, resumed)


def _source(entry: ModelEntry, mirror: str | None) -> str | Path | None:
    """With a mirror nothing else is asked: who names one may have no way out."""
    if mirror is None:
        return entry.url or None
    if "://" in mirror:
        return f"{mirror.rstrip('/')}/{quote(entry.file)}"
    places = [Path(mirror) / entry.file, Path(mirror) / entry.sha256]
    return next((path for path in places if path.is_file()), places[0])


def _from(source: str | Path | None, wanted: Wanted, tell: Tell, place: Place) -> int:
    if source is None:
        raise FetchRefused("the manifest has no address for it: give a --mirror that holds it")
    if isinstance(source, Path):
        if not source.is_file():
            raise FetchRefused(f"{source.parent} has no {source.name}")
        copy(source, wanted, tell)
        return 0
    return download(source, wanted, tell, allow_http=place.allow_http)


def _table(found: list[Fetched]) -> Table:
    table = Table("file", "models", "size", "state", "", box=None, pad_edge=False)
    for each in found:
        good = _ENDS[each.state] is Exit.OK
        said = _SAID[each.state] + (f", from byte {each.resumed_from} on" if each.resumed_from else "")
        size = f"{each.bytes / 1e6:.1f} MB" if each.bytes else ""
        table.add_row(
            each.file, ", ".join(each.models), size, said if good else f"[bold red]{said}[/bold red]", each.error
        )
    return table
