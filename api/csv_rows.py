"""CSV as RFC 4180 has it, row by row, so that a long table needs the memory of a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence


def table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """A header, then each line. A cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for line in lines:
        writer.writerow([_cell(value) for value in line])
        yield _taken(text)
    yield _taken(text)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _taken(text: io.StringIO) -> bytes:
    done = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return done
