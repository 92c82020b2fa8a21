"""A difference as files: a page that needs no network, its figures, and every changed line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api import diff_page
from cli.batches.files import whole
from cli.batches.service import Batches
from cli.client import Client
from cli.client_errors import ApiError
from cli.demo.pictures import Album

PAGE, FIGURES, LINES = "index.html", "diff.json", "lines.csv"


def write(folder: Path, batches: Batches, found: Mapping[str, Any], limits: Mapping[str, float | None]) -> Path:
    """All three into the folder; where the page is."""
    before, after = found["before"], found["after"]
    folder.mkdir(parents=True, exist_ok=True)
    whole(folder / LINES, batches.diff_lines(before, after))
    (folder / FIGURES).write_text(json.dumps(found, ensure_ascii=False, indent=1))
    text = diff_page.page(
        found,
        batches.get(before),
        batches.get(after),
        {name: limit for name, limit in limits.items() if limit is not None},
        _Pictures(batches.client).of,
        alone=True,
    )
    page = folder / PAGE
    page.write_text(text)
    return page


class _Pictures:
    """Pictures of scans as data addresses; the page asks for those of one scan after another."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._albums: dict[str, Album | None] = {}

    def of(self, scan: str, name: str, side: int) -> str | None:
        """None for a file that the scan does not have, and for a scan that is deleted."""
        if scan not in self._albums:
            self._albums[scan] = self._album(scan)
        album = self._albums[scan]
        return None if album is None else album.picture(name, side)

    def _album(self, scan: str) -> Album | None:
        try:
            return Album(self._client, self._client.get(scan))
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
            return None
