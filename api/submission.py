"""A submit request, read and checked: what may be refused without a scan is refused here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import request

from api.fields import lane_of, object_in, only_known, options_of, system_of, text_of
from api.json_body import read_object
from api.problems import invalid
from api.services import COLLECTED, services
from api.upload import Upload, read_form
from pipeline.contracts import InputKind, Lane, System
from pipeline.errors import UnsupportedContentType
from pipeline.sniff import MEDIA_TYPES, sniff
from storage.fetch import check_url
from storage.keys import artifact_key, object_key

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_FIELDS = frozenset({"pipeline", "options", "priority"})
_SOURCES = frozenset({"image_url", "object_key"})
_LONGEST_URL = 2_048
_LONGEST_KEY = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a client wants scanned, and how. ``content`` is the picture of an upload, still to be stored at ``ref``."""

    system: System
    lane: Lane
    options: Mapping[str, bool | str]
    kind: InputKind
    ref: str
    sha256: str | None = None
    filename: str | None = None
    content: bytes | None = None
    media_type: str = "application/octet-stream"

    def digest(self) -> str:
        """SHA-256 over what makes two requests the same, for Idempotency-Key."""
        parts = [self.system, self.lane, dict(self.options), self.kind, self.ref, self.filename]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body as it came: a JSON object, or a form with texts for fields and perhaps a picture."""

    fields: Mapping[str, Any]
    form: bool
    upload: Upload | None = None


def read_submission(tenant_id: UUID) -> Submission:
    """The submission in the current request. Raises the taxonomy's request and input errors."""
    sent = read_sent(_FIELDS)
    fields = sent.fields
    options = (
        object_in(fields["options"], "options") if sent.form and "options" in fields else fields.get("options", {})
    )
    return submission(
        tenant_id,
        sent,
        system=system_of(fields.get("pipeline")),
        lane=lane_of(fields.get("priority")),
        options=options_of(options),
    )


def read_sent(known: frozenset[str], names: tuple[str, ...] = ("file",)) -> Sent:
    """The current request's body, with exactly one picture in it or named, and no other field than the known ones.

    ``names`` are those that a form's picture may have.
    """
    if getattr(request.environ["wsgi.input"], COLLECTED, False):
        sent = _read(names)
    else:
        with services().uploads:  # it holds this thread while it arrives
            sent = _read(names)
    only_known(sent.fields, known | _SOURCES)
    if sent.form and (sent.upload is None or _SOURCES & sent.fields.keys()):
        raise invalid("file", "a multipart request carries exactly one file and no image_url or object_key")
    if not sent.form and len(_SOURCES & sent.fields.keys()) != 1:
        raise invalid("image_url", "exactly one of image_url and object_key is needed, or a multipart file")
    return sent


def _read(names: tuple[str, ...]) -> Sent:
    if request.mimetype == "multipart/form-data":
        form = read_form(request, services().limits.max_bytes, names)
        return Sent(form.fields, form=True, upload=form.upload)
    if request.mimetype == "application/json":
        return Sent(read_object(request), form=False)
    raise UnsupportedContentType


def idempotency_key() -> str | None:
    """The Idempotency-Key header: 1 to 255 visible ASCII characters."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return key


def preferred_wait(unsaid: int = 0) -> int:
    """Seconds of ``Prefer: wait=N``, at most as long as we let anyone wait; ``unsaid`` without; 0 for respond-async.

    A preference that we cannot read is ignored, as RFC 7240 has it.
    """
    preferences = [each.strip().lower() for each in request.headers.get("Prefer", "").split(",")]
    for preference in preferences:
        found = re.fullmatch(r'wait\s*=\s*"?(\d{1,6})"?\s*(;.*)?', preference)
        if found:
            return min(int(found[1]), services().settings.max_wait_s)
    return 0 if "respond-async" in preferences else unsaid


def submission(
    tenant_id: UUID, sent: Sent, *, system: System, lane: Lane = Lane.INTERACTIVE, options: Mapping[str, bool | str]
) -> Submission:
    """What was sent, as a submission; the header of an upload and the text of an address are looked at here."""
    if sent.upload is not None:
        return _of_upload(tenant_id, sent.upload, system, lane, options)
    if "image_url" in sent.fields:
        url = text_of(sent.fields["image_url"], "image_url", _LONGEST_URL)
        check_url(url)
        return Submission(system=system, lane=lane, options=options, kind=InputKind.URL, ref=url)
    ref = object_key(tenant_id, text_of(sent.fields["object_key"], "object_key", _LONGEST_KEY))
    return Submission(system=system, lane=lane, options=options, kind=InputKind.OBJECT, ref=ref)


def _of_upload(
    tenant_id: UUID, upload: Upload, system: System, lane: Lane, options: Mapping[str, bool | str]
) -> Submission:
    header = sniff(upload.content, len(upload.content), services().limits)
    return Submission(
        system=system,
        lane=lane,
        options=options,
        kind=InputKind.UPLOAD,
        ref=artifact_key(tenant_id, upload.sha256),
        sha256=upload.sha256,
        filename=upload.filename,
        content=upload.content,
        media_type=MEDIA_TYPES[header.format],
    )
