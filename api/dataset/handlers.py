"""`GET /v1/datasets/{system}`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Response, request

from api.auth import principal
from api.dataset import lists
from api.dataset.lists import Pictures
from api.dataset.source import EXPORTED, GROUPS, Source
from api.fields import asked, moment_of
from api.problems import invalid
from api.scanpack.archive import Archive
from api.services import services
from api.system import version
from pipeline.contracts import System
from pipeline.errors import NotFound

FORMATS = ("both", "coco", "csv")
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}
ABOUT = (
    "Pictures whose tenant and scan allowed training when this was made, re-encoded by the service without metadata. "
    "Labels and boxes were made by the models named; no person checked them unless reviewed_label says so."
)


def get_dataset(system: str) -> Response:
    """Pictures with both consents and not deleted, with their labels: `images/`, COCO, CSV, counts, and all digests.

    Pictures are the service's own decoded ones, without any metadata. Labels are the models', and say so. Consent is
    read page by page while the ZIP is written; every scan is counted in exactly one group, in `dataset.json`.
    """
    asked({"since", "format"})
    form, since = request.args.get("format", "both"), request.args.get("since")
    if system not in list(System):
        raise NotFound
    if form not in FORMATS:
        raise invalid("format", f"must be one of {', '.join(FORMATS)}")
    here = services()
    moment = None if since is None else moment_of(since, "since")
    source = Source(here, principal().tenant_id, System(system), moment)
    here.streams.acquire()
    response = Response(_written(source, form), mimetype="application/zip")
    response.call_on_close(here.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename=f"{system}.dataset.zip")
    return response


def _written(source: Source, form: str) -> Iterator[bytes]:
    with Archive() as archive, Pictures() as pictures:
        for scan, content in source.pictures():
            file = f"images/{scan['sha256']}.{_SUFFIXES.get(scan['media_type'], 'bin')}"
            yield archive.add(file, content)
            pictures.add(file, scan)
        info = _info(source, pictures)
        if form != "coco":
            yield from archive.stream("labels.csv", lists.as_csv(pictures))
        if form != "csv":
            yield from archive.stream("annotations.json", lists.as_coco(pictures, info))
        yield archive.add("dataset.json", json.dumps(info, indent=1).encode() + b"\n")
        yield from archive.add_sums()
        yield from archive.end()


def _info(source: Source, pictures: Pictures) -> dict[str, Any]:
    """What stands in COCO's info, too. The groups add up to ``scans``."""
    groups = {group: source.counts[group] for group in GROUPS}
    said_at = source.begun.tenant_said_at
    return {
        "description": ABOUT,
        "version": version(),
        "year": source.begun.as_of.year,
        "contributor": "",
        "url": "",
        "date_created": source.begun.as_of.isoformat(),
        "system": str(source.system),
        "since": source.since.isoformat() if source.since else None,
        "tenant_consent_at": said_at.isoformat() if groups[EXPORTED] and said_at else None,
        "models": {name: sorted(versions) for name, versions in sorted(pictures.models.items())},
        "counts": {"scans": sum(groups.values()), **groups},
    }
