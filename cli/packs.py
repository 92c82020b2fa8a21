"""What the model packs say they hold and whether the files are there, by their manifests alone (no ML runtime)."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.setting_names import also

PACKS = Path(__file__).resolve().parents[1] / "models"


class PackSettings(BaseSettings):
    """Where packs are; the names and meanings of `pipeline.models.settings`, which brings no runtime in here."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_MODEL_", populate_by_name=True, extra="ignore")

    packs: str = Field("starter", description="Packs in order of preference, separated by commas")
    root: Path = Field(
        PACKS,
        validation_alias=also("SCANMILL_MODEL_ROOT", "MODEL_DIR"),
        description="Directory that holds one folder per pack",
    )
    mirror: str | None = Field(None, description="Directory or address that holds public weights, by file name")


@dataclass(frozen=True, slots=True)
class PackedModel:
    """One model of a pack; `state` is ok, missing (no file) or damaged (another SHA-256 than the manifest's).

    `bytes` is the file's size, the manifest's word for it while it is missing, or None.
    """

    pack: str
    name: str
    version: str
    runtime: str
    file: str
    sha256: str
    licence: str
    state: str
    bytes: int | None = None


def models(settings: PackSettings) -> list[PackedModel]:
    """Every model of the chosen packs, in order. Raises OSError or ValueError for a manifest that cannot be read."""
    names = [name.strip() for name in settings.packs.split(",") if name.strip()]
    return [model for name in names for model in _pack(settings, name)]


@dataclass(frozen=True, slots=True)
class Card:
    """A model's card as Markdown, from the first chosen pack that has the model."""

    pack: str
    name: str
    version: str
    card: str


def card(settings: PackSettings, name: str) -> Card | None:
    """The card of a model; empty text if its pack has none for it, None if no chosen pack has the model."""
    for pack in (each.strip() for each in settings.packs.split(",") if each.strip()):
        folder = settings.root / pack
        for entry in tomllib.loads((folder / "manifest.toml").read_text()).get("model", []):
            if entry.get("name") == name:
                file = folder / str(entry.get("card") or "-")
                inside = file.resolve().is_relative_to(folder.resolve())
                text = file.read_text() if inside and file.is_file() else ""
                return Card(pack, name, str(entry.get("version", "")), text)
    return None


def _pack(settings: PackSettings, pack: str) -> Iterator[PackedModel]:
    folder = settings.root / pack
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    for entry in manifest.get("model", []):
        places = [folder / entry["file"]]
        if settings.mirror and "://" not in settings.mirror:  # as loading: an address is for `models fetch` alone
            places += [Path(settings.mirror) / entry["file"], Path(settings.mirror) / entry["sha256"]]
        yield _model(pack, entry, places)


def _model(pack: str, entry: dict[str, Any], places: list[Path]) -> PackedModel:
    path = next((place for place in places if place.is_file()), None)
    state = "missing" if path is None else "ok" if _sha256(path) == entry["sha256"] else "damaged"
    name, version, runtime, file, sha, licence = (
        str(entry.get(key, "")) for key in ("name", "version", "runtime", "file", "sha256", "licence")
    )
    size = path.stat().st_size if path else entry.get("bytes")
    return PackedModel(pack, name, version, runtime, file, sha, licence, state, size)


def same_file(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this digest."""
    return path.is_file() and _sha256(path) == sha256


def _sha256(path: Path) -> str:
    about = path.stat()
    return _sha256_of(path, about.st_size, about.st_mtime_ns)


@cache
def _sha256_of(path: Path, _size: int, _changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
