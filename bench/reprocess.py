"""One changed classifier: the same photographs from scratch against doing their batch again, in one run.

Run: ``python -m bench.reprocess [--photos DIR] [--count 40] [--networks starter]``. A first batch is scanned with the old
classifier; a version of it with another temperature is promoted; then that batch is done again, and a second tenant, for
whom nothing is known, has the same photographs scanned from scratch. Both with the new version and warm workers.
A photograph that is rejected costs nothing the second time, so ``ends`` belongs to the ratio: use portraits with ears.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from bench.house import House, house, machine, say
from bench.photos import Networks, models, pictures
from cli.batches.service import ENDED, Batches
from cli.batches.sources import Line
from cli.client import Client
from db import model_promotions, tenants
from db.model_promotions import PROMOTE
from db.sql import row, rows
from pipeline.models import goldens
from pipeline.models.manifest import ModelEntry, entry_of
from pipeline.models.room import ModelRoom
from tasks.model_versions import RegisteredModels, register

NAME = "cat_mouth"
WARM = 8
"""Photographs that make every slot load its models before anything is measured."""


def measure(folder: Path | None, count: int, slots: int, networks: Networks) -> dict[str, object]:
    """Seconds by the ledger's clock from the word to the last end, and processor seconds of everything meanwhile."""
    photos = pictures(folder, count + WARM)
    with models(networks) as settings, house(slots=slots, settings=settings) as place:
        figures = _in(place, photos)
    return {"networks": networks, "photos": count, **figures, "machine": machine()}


def _in(place: House, photos: list[bytes]) -> dict[str, object]:
    with Client(place.service.url, place.service.key) as client, Client(place.service.url, _key(place)) as other:
        ours, theirs = Batches(client), Batches(other)
        say("with the old classifier")
        parent = _measured(place, ours, lambda: _resumed(ours, photos))["batch"]
        say("another version is promoted")
        _promote(place)
        _measured(place, theirs, lambda: _resumed(theirs, photos[:WARM]))
        plan = ours.reprocess_plan(parent)
        say("again")
        again = _measured(place, ours, lambda: str(ours.act(parent, "reprocess")["id"]))
        say("from scratch")
        scratch = _measured(place, theirs, lambda: _resumed(theirs, photos[WARM:]))
    each = {
        f"{name}_{kind}_per_photo": found[kind] / number
        for name, found, number in (("scratch", scratch, len(photos) - WARM), ("again", again, len(photos)))
        for kind in ("seconds", "cpu")
    }
    return {
        **{name: round(value, 4) for name, value in each.items()},
        "ratio": round(each["scratch_seconds_per_photo"] / each["again_seconds_per_photo"], 2),
        "cpu_ratio": round(each["scratch_cpu_per_photo"] / each["again_cpu_per_photo"], 2),
        "ends": again["ends"],
        "planned": {stage["name"]: stage["computed"] for stage in plan["stages"] if stage["computed"]["most"]},
        "planned_work_s": plan["work_s"],
        "computed": _computed(place, again["batch"]),
    }


def _key(place: House) -> str:
    with place.database.begin() as connection:
        return tenants.create_key(connection, tenants.create_tenant(connection, "other"), "bench", tenants.SCOPES)[1]


def _resumed(batches: Batches, photos: list[bytes]) -> str:
    """A batch that was filled while it was paused, now let go."""
    batch = str(batches.open()["id"])
    batches.act(batch, "pause")
    for number, photo in enumerate(photos):
        batches.upload(batch, photo, Line(f"{number}.jpg"))
    batches.act(batch, "finalise")
    batches.act(batch, "resume")
    return batch


def _measured(place: House, batches: Batches, begin: Callable[[], str]) -> dict[str, Any]:
    """Begin a batch and wait for its end. Filling costs no processor time that counts: it is done when the clock starts."""
    batch = begin()
    cpu, start = place.cpu_seconds(), _now(place)
    while (found := batches.get(batch))["state"] not in ENDED:
        time.sleep(0.25)
    spent = sum(place.cpu_seconds().values()) - sum(cpu.values())
    with place.database.begin() as connection:
        ended = row(
            connection,
            "SELECT extract(epoch FROM max(finished_at)) AS at FROM scan WHERE batch_id = :batch",
            batch=batch,
        )
    assert ended is not None
    say(f"{found['counts']}")
    ends = {name: n for name, n in found["counts"].items() if n and name != "items"}
    return {"batch": batch, "seconds": float(ended.at) - start, "cpu": spent, "ends": ends}


def _now(place: House) -> float:
    with place.database.begin() as connection:
        [found] = rows(connection, "SELECT extract(epoch FROM clock_timestamp()) AS at")
    return float(found.at)


def _computed(place: House, batch: str) -> dict[str, int]:
    """Stage → runs that were worked on."""
    with place.database.begin() as connection:
        found = rows(
            connection,
            """SELECT st.name, count(*) AS n FROM scan s JOIN stage_run r ON r.scan_id = s.id
               JOIN stage st ON st.id = r.stage_id WHERE s.batch_id = :batch AND r.attempts > 0 GROUP BY st.name""",
            batch=batch,
        )
    return {r.name: r.n for r in found}


def _promote(place: House) -> None:
    """Make a version of the classifier current that differs in its temperature: as much work, other probabilities."""
    entry, content = _newer()
    register(place.database, place.storage, entry, content, None)
    room = ModelRoom.open(source=RegisteredModels(place.database, place.storage))
    golden = goldens.record(room.load(NAME, entry.digest), room.profile)
    register(place.database, place.storage, entry, content, golden)
    with place.database.begin() as connection:
        asked = model_promotions.ask(connection, PROMOTE, NAME, entry.digest, by="bench", why=None, relabel=False)
    while asked.state == "asked":
        time.sleep(0.5)
        with place.database.begin() as connection:
            asked = model_promotions.request(connection, asked.id) or asked
    if asked.state != "done":
        raise RuntimeError(f"the version was not promoted: {asked.code}")


def _newer() -> tuple[ModelEntry, bytes]:
    entry = next(each for each in ModelRoom.open().entries() if each.name == NAME)
    if entry.folder is None:
        raise RuntimeError(f"{NAME} is in no pack here")
    table = {**entry.table, "version": "bench", "temperature": float(entry.table["temperature"]) * 1.25}
    return entry_of(table, "bench"), (entry.folder / entry.file).read_bytes()


def main() -> None:
    """Print one JSON line for each choice of networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--networks", choices=get_args(Networks), action="append")
    given = parser.parse_args()
    for networks in given.networks or get_args(Networks):
        print(json.dumps(measure(given.photos, given.count, given.slots, networks)), flush=True)


if __name__ == "__main__":
    main()
