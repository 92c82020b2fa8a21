"""The files of a batch's lines into a folder: several at once, each checked, and only what is not there yet."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from cli.batches.filling import bounded
from cli.batches.folders import Folders, file_name
from cli.batches.service import Batches
from cli.client import Client
from cli.client_errors import ApiError, NotThatFile
from cli.scan import Artifact

DOWNLOADS = 4
"""Files that are on their way at once."""
GONE = 410
NAMED = 20
"""Files that could not be fetched and are named; all are counted."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a line, and where it goes."""

    scan_id: str
    artifact: Artifact
    path: Path


@dataclass(slots=True)
class Kept:
    """How many files ended how: `written`, `replaced` (other bytes stood there), `present`, `expired`, `broken`."""

    files: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    named: dict[str, str] = field(default_factory=dict)

    def add(self, wanted: Wanted, end: str, reason: str) -> None:
        self.files[end] += 1
        self.bytes += wanted.artifact.size if end in ("written", "replaced") else 0
        if reason and len(self.named) < NAMED:
            self.named[str(wanted.path)] = reason

    def told(self) -> str:
        """The counts in one sentence."""
        return ", ".join(f"{n:,} {end}" for end, n in sorted(self.files.items())) or "no files"


def copy(batches: Batches, batch_id: str, names: Sequence[str], prefix: str) -> Kept:
    """Have every line's files, or those of `names`, copied to `prefix/<custom_id>/<name>.<suffix>` in the storage."""
    kept = Kept()
    for page in batches.copy_artifacts(batch_id, prefix, names):
        kept.files.update({end: page[end] for end in ("copied", "present", "expired") if page[end]})
    return kept


def keep(connect: Callable[[], Client], batch_id: str, names: Sequence[str], folder: Path) -> Kept:
    """Fetch every line's files, or those of `names`, to `folder/<custom_id without suffix>/<name>.<suffix>`.

    A file that stands there with the right SHA-256 is not fetched again, so a break is mended by asking again. Raises
    Unreachable and OSError, with all files so far in their places.
    """
    kept = Kept()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        listing = Batches(stack.enter_context(connect()))
        clients: SimpleQueue[Client] = SimpleQueue()
        for _ in range(DOWNLOADS):
            clients.put(stack.enter_context(connect()))
        pool = stack.enter_context(ThreadPoolExecutor(DOWNLOADS))
        stack.callback(partial(pool.shutdown, cancel_futures=True))
        wanted = _wanted(listing.artifacts(batch_id, names), folder)
        for future in bounded(_begun(pool, wanted, clients, folder.resolve())):
            kept.add(*future.result())
    return kept


def _begun(
    pool: ThreadPoolExecutor, wanted: Iterator[Wanted], clients: SimpleQueue[Client], root: Path
) -> Iterator[Future[tuple[Wanted, str, str]]]:
    return (pool.submit(_share, each, clients, root) for each in wanted)


def _wanted(lines: Iterator[dict[str, Any]], folder: Path) -> Iterator[Wanted]:
    """Every file with its place; lines without one take their folder's name all the same, so that names stay."""
    folders = Folders()
    for line in lines:
        place = folder / folders.of(line["custom_id"])
        for given in line["artifacts"]:
            artifact = Artifact(**given)
            yield Wanted(line["scan_id"], artifact, place / file_name(artifact.name, artifact.media_type))


def _share(wanted: Wanted, clients: SimpleQueue[Client], root: Path) -> tuple[Wanted, str, str]:
    client = clients.get()
    try:
        return wanted, *_fetch(client, wanted, root)
    finally:
        clients.put(client)


def _fetch(client: Client, wanted: Wanted, root: Path) -> tuple[str, str]:
    """How it ended, and why if it did not end well."""
    path, artifact = wanted.path, wanted.artifact
    if _holds(path, artifact):
        return "present", ""
    if artifact.expired:
        return "expired", ""
    if not path.parent.resolve().is_relative_to(root):
        return "broken", "a link leads out of the folder"
    try:
        content = client.download(wanted.scan_id, artifact)
    except NotThatFile as error:
        return "broken", str(error)
    except ApiError as error:
        if error.status == GONE:
            return "expired", ""
        if error.status in (401, 403):
            raise
        return "broken", str(error)
    path.parent.mkdir(parents=True, exist_ok=True)
    end = "replaced" if path.exists() else "written"
    half = path.with_name(f"{path.name}.part")
    half.write_bytes(content)
    half.replace(path)
    return end, ""


def _holds(path: Path, artifact: Artifact) -> bool:
    """Whether the very file is there already."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != artifact.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
