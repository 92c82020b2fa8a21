"""No-op stage runs per second through the real ledger, Redis and Celery workers.

Run: ``python -m bench.queue_rate [--scans 1000] [--slots 2] [--batch 1 --batch 32]``
"""

from __future__ import annotations

import argparse
import json
import time
import uuid

from bench.house import House, house, machine, say
from bench.noop import LENGTH
from db import scans, tenants
from db.admission import ADMISSION_LOCK
from db.scans import NewScan
from db.sql import row
from pipeline.contracts import InputKind, Lane


def measure(count: int, slots: int, batch: int) -> dict[str, object]:
    """Admit ``count`` waiting no-op scans at one moment; the rate until the last one has ended."""
    settings = {
        "SCANMILL_ENV": "test",
        "SCANMILL_EXTRA_PIPELINES": '["bench.noop:NOOP"]',
        "SCANMILL_BATCH_SIZE": str(batch),
        "SCANMILL_BULK_WINDOW": "100000",
    }
    with house(slots=slots, settings=settings) as place:
        say(f"batch {batch}: {count} scans of {LENGTH} stages")
        with place.database.engine.connect() as holder:
            holder.exec_driver_sql(f"SELECT pg_advisory_lock({ADMISSION_LOCK})")  # nothing is admitted while we list
            _submit(place, count)
            holder.exec_driver_sql(f"SELECT pg_advisory_unlock({ADMISSION_LOCK})")
        seconds = _await(place, count)
    return {
        "batch_size": batch,
        "slots": slots,
        "stage_runs": count * LENGTH,
        "seconds": round(seconds, 2),
        "stage_runs_per_second": round(count * LENGTH / seconds),
        "machine": machine(),
    }


def _submit(place: House, count: int) -> None:
    with place.database.begin() as connection:
        tenant = tenants.create_tenant(connection, "bench")
    for start in range(0, count, 100):
        with place.database.begin() as connection:
            for _ in range(start, min(start + 100, count)):
                name = uuid.uuid4().hex
                scans.submit(
                    connection,
                    NewScan(
                        tenant_id=tenant,
                        system="noop",
                        lane=Lane.BULK,
                        input_kind=InputKind.UPLOAD,
                        input_ref=name,
                        input_sha256=name,
                        options={"name": name},
                    ),
                )
    with place.database.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


def _await(place: House, count: int) -> float:
    """Seconds from the first admission to the last end, by the ledger's clock."""
    while True:
        time.sleep(0.5)
        with place.database.begin() as connection:
            found = row(
                connection,
                """SELECT count(*) FILTER (WHERE status = 'succeeded') AS done,
                          extract(epoch FROM max(finished_at) - min(admitted_at)) AS seconds FROM scan""",
            )
        assert found is not None
        if found.done == count:
            return float(found.seconds)


def main() -> None:
    """Print one JSON line per batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--batch", type=int, action="append")
    given = parser.parse_args()
    for batch in given.batch or [1, 32]:
        print(json.dumps(measure(given.scans if batch > 1 else given.scans // 5, given.slots, batch)))


if __name__ == "__main__":
    main()
