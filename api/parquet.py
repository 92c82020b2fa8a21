"""A batch's table as Parquet, written while its lines are read: memory holds one row group. Loads pyarrow."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS, BYTES = 5_000, 8 * 1024 * 1024
"""A row group ends with the first of these, in Arrow's memory."""
BATCH = 200
"""Lines that are turned into columns at once."""

SCHEMA = pa.schema(
    [
        pa.field("n", pa.int64(), nullable=False),
        pa.field("custom_id", pa.string(), nullable=False),
        pa.field("scan_id", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("code", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("finished_at", pa.timestamp("us", tz="UTC")),
        pa.field("health_score", pa.float64()),
        pa.field("findings", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("fields", pa.string(), nullable=False),
    ]
)
"""The columns of the CSV table: findings as a map from region to label or code, the client's own fields as JSON."""


def as_parquet(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A Parquet file in parts, of rows as ``api.exports.row_of`` makes them.

    The file's end is what makes it readable: a reader refuses one that broke off.
    """
    kept = io.BytesIO()
    with pq.ParquetWriter(kept, SCHEMA, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(group)
            yield _taken(kept)
    yield _taken(kept)


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[Any]:
    """Tables of a row group each."""
    held: list[Any] = []
    for batch in _batches(rows):
        held.append(batch)
        if sum(each.num_rows for each in held) >= ROWS or sum(each.nbytes for each in held) >= BYTES:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[Any]:
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(_typed(row))
        if len(waiting) == BATCH:
            yield pa.RecordBatch.from_pylist(waiting, schema=SCHEMA)
            waiting = []
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, schema=SCHEMA)


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    finished = row["finished_at"]
    return {
        **row,
        "finished_at": datetime.fromisoformat(finished) if finished else None,
        "findings": list(row["findings"].items()),
        "fields": json.dumps(row["fields"], ensure_ascii=False),
    }


def _taken(kept: io.BytesIO) -> bytes:
    done = kept.getvalue()
    kept.seek(0)
    kept.truncate()
    return done
