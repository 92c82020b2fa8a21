"""A batch into files: all lines, or results and errors apart, with a count that must come out."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.batches.files import whole
from cli.batches.service import Batches


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `state` and `items` are the batch's; a batch that is under way gives a snapshot.

    `errors` is None unless they have a file of their own; `lines` are then the results alone.
    """

    lines: int
    errors: int | None
    items: int
    state: str
    snapshot: bool

    @property
    def adds_up(self) -> bool:
        """Whether each line of the batch is in one file; of a snapshot this cannot be asked."""
        return self.snapshot or self.lines + (self.errors or 0) == self.items

    def told(self) -> str:
        """The count in one sentence."""
        written = f"{self.lines:,} lines" if self.errors is None else f"{self.lines:,} results, {self.errors:,} errors"
        if self.snapshot:
            return f"{written} of {self.items:,}: a snapshot, the batch is {self.state}"
        return f"{written}: {'all' if self.adds_up else 'NOT the'} {self.items:,} lines of the batch"


def write(batches: Batches, batch_id: str, form: str, out: Path, errors: Path | None) -> Exported:
    """Write a whole batch to `out`, or its results there and all other ended lines to `errors`.

    The batch is looked at before and after: one that was open, or ran again in between, gives a snapshot.
    """
    before = batches.get(batch_id)
    part = "all" if errors is None else "results"
    lines = save(batches.export(batch_id, format=form, part=part), out, form)
    wrong = save(batches.export(batch_id, format=form, part="errors"), errors, form) if errors else None
    after = batches.get(batch_id)
    moved = before["finished_at"] is None or before["finished_at"] != after["finished_at"]
    return Exported(lines, wrong, after["items"], after["state"], moved)


def pour(parts: Iterable[bytes]) -> None:
    """To standard output, as it comes."""
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.flush()


def save(parts: Iterable[bytes], out: Path, form: str) -> int:
    """Write a file that stands under its name only once it is whole; how many lines it holds."""
    counted: list[int] = []
    whole(out, parts, lambda half: counted.append(count(half, form)))
    return counted[0]


def count(file: Path, form: str) -> int:
    """Lines of an export, read from the file itself."""
    if form == "parquet":
        return _rows(file)
    if form == "csv":
        with file.open(newline="", encoding="utf-8") as opened:
            return sum(1 for _ in csv.reader(opened)) - 1
    with file.open("rb") as opened:
        return sum(1 for _ in opened)


def _rows(file: Path) -> int:
    """Rows by the file's own account; a Parquet file that is not whole has none and is refused."""
    from pyarrow.parquet import read_metadata  # noqa: PLC0415  loaded for the one form that needs it

    found: Any = read_metadata(file)
    return int(found.num_rows)
