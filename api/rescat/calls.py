"""The seed's three calls: the same submit and the same queue as ``/v1/scans``, a bounded wait, the seed's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, jsonify, url_for

from api import scans
from api.auth import principal
from api.fields import switch_of
from api.ids import scan_id_of
from api.links import signed_link
from api.problems import Refused
from api.replies import address
from api.rescat import replies
from api.rescat.words import artifact_in, place_of, seed_code
from api.services import Services, services
from api.submission import preferred_wait, read_sent, submission
from db import pipelines, views
from pipeline.contracts import ScanStatus, System
from pipeline.errors import ArtifactExpired, ModelUnavailable, NotFound, ScanmillError

_FILE = re.compile(r"([0-9a-f-]{36})(?:-([a-z_]+))?")


@dataclass(frozen=True, slots=True)
class Call:
    """One of the seed's calls: ``fields`` it takes besides the picture, ``switches`` that it turns off, its reply."""

    fields: frozenset[str]
    switches: frozenset[str]
    reply: Callable[[Mapping[str, Any], replies.Links], dict[str, Any]]


_VALIDATE = Call(frozenset(), frozenset({"remove_bg", "detect_face"}), replies.validated)
_DETECT = Call(frozenset({"return_crop"}), frozenset({"detect_landmarks"}), replies.detected)
_PREDICT = Call(frozenset({"remove_bg", "generate_gradcam"}), frozenset(), replies.predicted)


@contextmanager
def in_seeds_words() -> Iterator[None]:
    """Refusals of the block tell the seed's code beside ours."""
    try:
        yield
    except Refused as refused:
        raise _told(refused.error, refused) from None
    except ScanmillError as error:
        raise _told(error, Refused(error)) from error


def _told(error: ScanmillError, refused: Refused) -> Refused:
    words = {"success": False, "error": seed_code(error.code), "message": error.public_message}
    return Refused(error, fields=refused.fields, headers=refused.headers, more=words)


def validate_cat() -> Response:
    """Whether the picture shows a cat, and of which breed; "no" is an answer, too. 202 if it takes longer than the wait."""
    return _call(_VALIDATE)


def detect_face() -> Response:
    """Where the cat's face is. 202 if it takes longer than the wait."""
    return _call(_DETECT)


def predict() -> Response:
    """Everything: face, landmarks, a finding and a heat map per area, a score. 202 if it takes longer than the wait."""
    return _call(_PREDICT)


@in_seeds_words()
def result(scan_id: str) -> Response:
    """The answer of the call that made a scan, in its shape; 202 while it is under way."""
    wanted = scan_id_of(scan_id)
    with services().database.begin() as connection:
        scan = views.get(connection, principal().tenant_id, wanted)
    if scan is None or scan["system"] != System.CAT_FACE:
        raise NotFound
    return _answer(_call_of(scan["options"]), scan)


@in_seeds_words()
def get_bucket_file(bucket: str, name: str) -> Response:
    """302 to a signed link. A bucket is a name for artifacts: ``<scan id>``, in ``result`` ``<scan id>-<area>``."""
    parts = _FILE.fullmatch(name)
    if parts is None:
        raise NotFound
    wanted, artifact = scan_id_of(parts[1]), artifact_in(bucket, parts[2])
    here, tenant = services(), principal().tenant_id
    with here.database.begin() as connection:
        found = views.artifact(connection, tenant, wanted, artifact) if artifact else None
    if found is None:
        raise NotFound
    if found.expired:
        raise ArtifactExpired
    title = f"{bucket}-{name}"
    link = signed_link(here, tenant, found.sha256, media_type=found.media_type, title=title, absolute=False)
    return Response(status=302, headers={"Location": link, "Cache-Control": "private, no-store"})


def _call(call: Call) -> Response:
    here = services()
    wait = preferred_wait(here.settings.max_wait_s)
    with in_seeds_words(), scans.holding(here, wait):
        sent = read_sent(call.fields)
        asked = {name: switch_of(value, name) for name, value in sent.fields.items() if name in call.fields}
        off = call.switches | {name for name, wanted in asked.items() if not wanted}
        options = dict.fromkeys(sorted(off & _switches(here)), False)
        wanted = submission(principal().tenant_id, sent, system=System.CAT_FACE, options=options)
        taken = scans.take(here, wanted, wait)
    response = _answer(call, taken.body, with_crop=asked.get("return_crop", True))
    if not taken.created:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _switches(here: Services) -> frozenset[str]:
    """What can be switched off here: a step that this server leaves out for everybody needs no switch."""
    with here.database.begin() as connection:
        pipeline = pipelines.current(connection, System.CAT_FACE)
    if pipeline is None:
        raise ModelUnavailable("no pipeline is published for cat_face")
    return pipeline.options


def _call_of(options: Mapping[str, Any]) -> Call:
    """The call that these options come from: it is told by where the scan stops."""
    off = {name for name, wanted in options.items() if wanted is False}
    if "detect_face" in off:
        return _VALIDATE
    return _DETECT if "detect_landmarks" in off else _PREDICT


def _answer(call: Call, scan: Mapping[str, Any], *, with_crop: bool = True) -> Response:
    where = url_for("result", scan_id=scan["id"])
    if not ScanStatus(scan["status"]).terminal:
        poll_url = address(where, absolute=True)
        response = jsonify({"scan_id": scan["id"], "status": scan["status"], "poll_url": poll_url})
        response.status_code = 202
    else:
        files = {each["name"]: each for each in scan["artifacts"] if not each["expired"]}
        shown = call.reply(scan, partial(_link, scan["id"], files))
        if not with_crop and "crop_url" in shown:
            shown["crop_url"] = None
        response = jsonify({**shown, "files": _files(scan["id"], files)})
    response.headers["Location"] = address(where)
    return response


def _link(scan_id: str, files: Mapping[str, Mapping[str, Any]], name: str) -> str | None:
    found, place = files.get(name), place_of(name)
    if found is None or place is None:
        return None
    title = "-".join(filter(None, (place[0], scan_id, place[1])))
    tenant: UUID = principal().tenant_id
    return signed_link(services(), tenant, found["sha256"], media_type=found["media_type"], title=title)


def _files(scan_id: str, files: Mapping[str, Any]) -> dict[str, list[str]]:
    """Bucket → lasting addresses of its files, each of which gives a fresh link to whoever has a key."""
    found: dict[str, list[str]] = {}
    for bucket, area in filter(None, map(place_of, files)):
        name = f"{scan_id}-{area}" if area else scan_id
        where = url_for("get_bucket_file", bucket=bucket, name=name)
        found.setdefault(bucket, []).append(address(where, absolute=True))
    return found
