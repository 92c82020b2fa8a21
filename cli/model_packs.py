"""What the command line does with whole packs of models: bring them in, record their goldens, verify all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from db import model_versions
from db.model_versions import VersionRow
from db.session import Database
from db.settings import DatabaseSettings
from pipeline.errors import InvalidField, ModelUnavailable
from pipeline.imaging.decode import decode
from pipeline.models import goldens as golden_records
from pipeline.models.golden_pictures import LONGEST_SIDE, recipe_of, recipes_for
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.room import ModelRoom
from storage import open_storage
from tasks.model_versions import read_entry, register
from tasks.verify import Job, Verdict, verify


@dataclass(frozen=True, slots=True)
class Checked:
    """A version and what was found; good when there is no ``code``."""

    name: str
    version: str
    digest: str
    pack: str
    code: str | None
    detail: str


def register_pack(database: Database, folder: Path) -> list[VersionRow]:
    """Register every model of a pack, from verified bytes, with its goldens."""
    entries = _entries(folder)
    room = ModelRoom([entries])
    records = golden_records.read(folder)
    storage = open_storage()
    found = []
    for entry in entries.values():
        content = room.on_disk(entry)
        if content is None:
            raise ModelUnavailable(f"{entry.name}: {entry.file} is missing, or not what the manifest says")
        found.append(register(database, storage, entry, content, records.get(entry.name)))
    return found


def record_goldens(folder: Path, pictures: Sequence[Path], tolerance: float) -> list[str]:
    """Write a pack's goldens.json anew, on the painted pictures and these; the names of its models."""
    entries = _entries(folder)
    room = ModelRoom([entries])
    own = [recipe_of(decode(path.read_bytes(), longest_side=LONGEST_SIDE).pixels) for path in pictures]
    records = {}
    for name, entry in entries.items():
        recipes = [*recipes_for(entry.input), *own]
        records[name] = golden_records.record(room.load(name), room.profile, recipes, tolerance)
    golden_records.write(folder, records)
    return sorted(records)


def verify_all() -> list[Checked]:
    """Examine the packs of SCANMILL_MODEL_PACKS, and what is registered where SCANMILL_DATABASE_URL is set.

    Two entries of one name and version with different runtimes are taken for one network: they must answer alike.
    """
    try:
        settings: DatabaseSettings | None = DatabaseSettings()
    except ValidationError:
        settings = None
    known = {(entry.name, entry.digest): entry for entry in ModelRoom.open().entries()}
    checked: list[Checked] = []
    if settings is not None:
        open_storage()
        checked = _add_registered(known, settings)
    entries = list(known.values())
    jobs = [Job(entry.name, entry.digest, needs_goldens=False) for entry in entries]
    pairs = _pairs(entries)
    jobs += [Job(one.name, one.digest, alike=other.digest, needs_goldens=False) for one, other in pairs]
    verdicts = verify(jobs, ledger=settings is not None)
    subjects = [*entries, *(one for one, _ in pairs)]
    return [*(_checked(entry, verdict) for entry, verdict in zip(subjects, verdicts, strict=True)), *checked]


def _add_registered(known: dict[tuple[str, str], ModelEntry], settings: DatabaseSettings) -> list[Checked]:
    """Add what is registered to ``known``; rows that cannot be read or have no file, as they are."""
    database = Database(settings)
    try:
        with database.begin() as connection:
            rows = model_versions.listing(connection)
    finally:
        database.dispose()
    odd = []
    for row in rows:
        if (row.name, row.digest) in known:
            continue
        entry = read_entry(row)
        if entry is None or row.stored_at is None:
            detail = "its file is not in storage" if entry else "its entry is not understood here"
            odd.append(Checked(row.name, row.version, row.digest, row.pack, ModelUnavailable.code, detail))
        else:
            known[row.name, row.digest] = entry
    return odd


def _pairs(entries: Sequence[ModelEntry]) -> list[tuple[ModelEntry, ModelEntry]]:
    first: dict[tuple[str, str], ModelEntry] = {}
    pairs = []
    for entry in entries:
        other = first.setdefault((entry.name, entry.version), entry)
        if other.runtime != entry.runtime:
            pairs.append((entry, other))
    return pairs


def _checked(entry: ModelEntry, verdict: Verdict) -> Checked:
    return Checked(entry.name, entry.version, entry.digest, entry.pack, verdict.code, verdict.detail)


def _entries(folder: Path) -> dict[str, ModelEntry]:
    try:
        return read_manifest(folder / "manifest.toml", folder.name)
    except ManifestError as error:
        raise InvalidField(str(error)) from error
