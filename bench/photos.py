"""End-to-end time of one photograph and of many, and what share of the processors' time is not the stages' own.

Run: ``python -m bench.photos [--photos DIR] [--count 200] [--networks starter]``. Without a folder the sample cat is varied (crops and
brightness), so that no two pictures are equal and nothing is reused. First with the starter pack's small networks, then
with the arithmetic of those that the cat system was first written for (``bench.ballast``).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args
from uuid import UUID

import numpy as np
from PIL import Image
from skimage import data

from bench.ballast import heavy_pack
from bench.house import House, house, machine, percentile, say
from cli.client import Client
from db import scans, tenants
from db.scans import NewScan
from db.sql import row
from pipeline.contracts import InputKind, Lane
from storage.keys import artifact_key

Networks = Literal["starter", "seed-size"]
SINGLES = 20


def pictures(folder: Path | None, count: int) -> list[bytes]:
    """``count`` distinct JPEGs: those of a folder, or variations of the packaged sample."""
    if folder is not None:
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
        return [path.read_bytes() for path in found[:count]]
    cat: np.ndarray = data.chelsea()  # type: ignore[no-untyped-call]  # the library has no types there
    return [_varied(cat, seed) for seed in range(count)]


def _varied(cat: np.ndarray, seed: int) -> bytes:
    chance = np.random.default_rng(seed)
    left, top = chance.integers(0, 24, 2)
    part = cat[top : top + 270, left : left + 420].astype(np.float32) * chance.uniform(0.85, 1.1)
    file = io.BytesIO()
    Image.fromarray(part.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def measure(
    folder: Path | None, count: int, slots: int, networks: Networks, system: str = "cat_face"
) -> dict[str, object]:
    """One by one while nothing else waits, then all at once as bulk work."""
    photos = pictures(folder, count + SINGLES + 8)
    with models(networks) as settings, house(slots=slots, settings=settings) as place:
        with place.database.begin() as connection:
            tenant = tenants.create_tenant(connection, "bench photos")
        _bulk(place, tenant, photos[-8:], system)  # models load, on every slot
        say("one by one")
        with Client(place.service.url, place.service.key) as client:
            single = [_single(client, photo, system) for photo in photos[:SINGLES]]
        say(f"{count} at once")
        cpu, stages = place.cpu_seconds(), place.stage_cpu_seconds()
        seconds = _bulk(place, tenant, photos[SINGLES:-8], system)
        cpu_after, stages_after = place.cpu_seconds(), place.stage_cpu_seconds()
    spent = {name: cpu_after.get(name, 0.0) - cpu.get(name, 0.0) for name in cpu_after}
    inside = {part: stages_after[part] - stages[part] for part in stages}
    inside["decoder"] = spent.get("decoder", 0.0)
    total = sum(spent.values())
    return {
        "system": system,
        "networks": networks,
        "one_photo_p50_ms": round(percentile(single, 0.5) * 1000),
        "one_photo_p90_ms": round(percentile(single, 0.9) * 1000),
        "photos": count,
        "seconds": round(seconds, 1),
        "photos_per_second": round(count / seconds, 2),
        "outside_stages_ms_per_photo": round((total - sum(inside.values())) / count * 1000, 1),
        "cpu_seconds": {name: round(value, 2) for name, value in sorted(spent.items())},
        "stage_cpu_seconds": {name: round(value, 2) for name, value in inside.items()},
        "outside_stages_share": round(1 - sum(inside.values()) / total, 4),
        "machine": machine(),
    }


@contextmanager
def models(networks: Networks) -> Iterator[dict[str, str]]:
    """The settings that make workers load the starter pack as it is, or laden to the size of the seed's networks."""
    if networks == "starter":
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="scanmill-bench-models-") as folder:
        Path(folder).chmod(0o755)
        yield {"SCANMILL_MODEL_ROOT": str(heavy_pack(Path(folder)))}


def _single(client: Client, photo: bytes, system: str) -> float:
    """Seconds from a client's submit to the finished scan in its hands."""
    began = time.perf_counter()
    scan = client.submit(photo, filename="photo.jpg", pipeline=system, wait_s=30)
    assert scan.finished
    return time.perf_counter() - began


def _bulk(place: House, tenant: UUID, photos: list[bytes], system: str) -> float:
    """Seconds by the ledger's clock from the first submission to the last end."""
    ids = []
    for photo in photos:
        sha256 = hashlib.sha256(photo).hexdigest()
        key = artifact_key(tenant, sha256)
        place.storage.put(key, photo, "image/jpeg")
        new = NewScan(
            tenant_id=tenant,
            system=system,
            lane=Lane.BULK,
            input_kind=InputKind.UPLOAD,
            input_ref=key,
            input_sha256=sha256,
            options={},
        )
        with place.database.begin() as connection:
            ids.append(str(scans.submit(connection, new).scan_id))
    while True:
        time.sleep(0.25)
        with place.database.begin() as connection:
            found = row(
                connection,
                """SELECT count(*) FILTER (WHERE finished_at IS NULL) AS open,
                          extract(epoch FROM max(finished_at) - min(created_at)) AS seconds
                   FROM scan WHERE id = ANY(CAST(:ids AS uuid[]))""",
                ids=ids,
            )
        assert found is not None
        if not found.open:
            return float(found.seconds)


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--system", default="cat_face")
    parser.add_argument("--networks", choices=get_args(Networks), action="append")
    given = parser.parse_args()
    for networks in given.networks or get_args(Networks):
        print(json.dumps(measure(given.photos, given.count, given.slots, networks, given.system)), flush=True)


if __name__ == "__main__":
    main()
