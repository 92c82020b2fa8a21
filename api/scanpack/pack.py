"""What goes into a scanpack, in the order in which it is sent: lines, pipeline, models, pictures with pages, signature."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from api.batch_reading import UNWELL
from api.exports import as_json_lines, as_table
from api.report import batch as report
from api.report.batch import LineCard, Tally
from api.report.cards import SENTENCES
from api.scanpack import layout
from api.scanpack.archive import Archive
from api.scanpack.signing import SigningKey
from api.scanpack.source import Line, Source
from db.batch_views import Which

_WHY = ("n", "custom_id", "scan_id", "status", "code", "stage", "fields")
MOMENTARY = ("as_of", "per_second", "eta_s")
"""What a batch says of the moment it is asked at: no part of its pack."""
IMAGES = "'self' file:"


@dataclass(slots=True)
class _Pictures:
    """How many pictures are in, and how many are no more: past their lifetime, or not in storage."""

    files: int = 0
    bytes: int = 0
    expired: int = 0
    missing: int = 0


@dataclass(slots=True)
class Packing:
    """One pack on its way. ``write`` gives its bytes; nothing in them depends on when or where they are made."""

    source: Source
    key: SigningKey | None
    tally: Tally = field(default_factory=Tally)
    pictures: _Pictures = field(default_factory=_Pictures)

    def write(self) -> Iterator[bytes]:
        """The whole ZIP. Raises ConnectionAbortedError when it cannot be ended well: the client then sees it cut off."""
        with Archive() as archive:
            yield from archive.stream(layout.RESULTS, as_json_lines(self.tally.added(self._lines())))
            yield from archive.stream(layout.TABLE, as_table(self._lines()))
            yield from archive.stream(layout.ERRORS, as_json_lines(self._errors()))
            yield archive.add(layout.PIPELINE, as_json(self.source.pipeline))
            for model in self.source.models():
                card = model.pop("card")
                yield archive.add(layout.model(model["name"]), as_json(model))
                if card:
                    yield archive.add(layout.model(model["name"], "md"), card.encode())
            for number, lines in enumerate(self.source.pages(), 1):
                yield from self._page(archive, number, lines)
            if not self.source.batch["items"]:
                yield archive.add(layout.page(1), self._html(1, []))
            yield archive.add(layout.BATCH, as_json(self._about()))
            yield from self._signature(archive)
            yield from archive.end()

    def _lines(self) -> Iterator[Line]:
        return chain.from_iterable(self.source.pages())

    def _errors(self) -> Iterator[Line]:
        for line in chain.from_iterable(self.source.pages(Which(UNWELL))):
            yield {**{name: line[name] for name in _WHY}, "meaning": SENTENCES.get(line["code"] or "")}

    def _page(self, archive: Archive, number: int, lines: list[Line]) -> Iterator[bytes]:
        """The pictures of a page's lines, then the page."""
        found = self.source.pictures(lines)
        cards = []
        for line in lines:
            names: dict[str, str] = {}
            gone = 0
            for artifact in found.get(line["scan_id"], ()):
                content = self.source.content(artifact)
                if content is None:
                    gone += 1
                    self.pictures.expired += artifact.expired
                    self.pictures.missing += not artifact.expired
                    continue
                name = layout.picture(line["n"], line["custom_id"], artifact.name, artifact.media_type)
                yield archive.add(name, content)
                names[artifact.name] = name
                self.pictures.files += 1
                self.pictures.bytes += len(content)
            cards.append(report.line_card(line, self.source.stages, list(names), names.get, gone))
        yield archive.add(layout.page(number), self._html(number, cards))

    def _html(self, number: int, cards: list[LineCard]) -> bytes:
        pages = range(1, -(-self.source.batch["items"] // layout.LINES) + 1)
        page = report.Page(
            batch=self.source.batch,
            codes=self.tally.codes,
            tally=self.tally,
            lines=cards,
            links=[(str(each), None if each == number else layout.page(each)) for each in pages],
            of="all lines",
            images=IMAGES,
            summary=number == 1,
            notes=[
                f"Signed; the key's id is {self.key.public.id}."
                if self.key
                else "Not signed: nothing shows who made this pack, or that all of it is as it was."
            ],
        )
        return report.write(page).encode()

    def _about(self) -> Mapping[str, Any]:
        """The batch and what its pack holds, without what differs from one request to the next."""
        key = self.key.public.id if self.key else None
        return {
            "scanpack": layout.VERSION,
            "batch": {name: value for name, value in self.source.batch.items() if name not in MOMENTARY},
            "codes": self.tally.codes,
            "labels": self.tally.labels,
            "mock": self.tally.mocks > 0,
            "mock_lines": self.tally.mocks,
            "pictures": {name: getattr(self.pictures, name) for name in ("files", "bytes", "expired", "missing")},
            "signed_by": key,
        }

    def _signature(self, archive: Archive) -> Iterator[bytes]:
        if self.key is not None:
            yield archive.add(layout.KEY, self.key.public.pem.encode())
        with archive.sums() as sums:
            signature = self.key.sign(sums) if self.key else None
        yield from archive.add_sums()
        if signature is not None:
            yield archive.add(layout.SIGNATURE, signature)


def as_json(value: object) -> bytes:
    """One spelling for equal values."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=str).encode() + b"\n"
