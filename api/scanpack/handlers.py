"""`GET /v1/batches/{id}/scanpack` and `/v1/signing-key`."""

from __future__ import annotations

from flask import Response, jsonify

from api.auth import principal
from api.fields import asked
from api.ids import uuid_of
from api.scanpack.pack import Packing
from api.scanpack.signing import ALGORITHM
from api.scanpack.source import Source
from api.services import services
from pipeline.errors import NotFound


def get_scanpack(batch_id: str) -> Response:
    """An ended batch as one ZIP: lines, pictures, pages, pipeline, models, digests, and a signature where there is a key.

    The same batch gives the same bytes until lines are retried or pictures pass their lifetime. It holds no link.
    """
    asked(set())
    here, wanted = services(), uuid_of(batch_id)
    packing = Packing(Source(here, principal().tenant_id, wanted), here.signing_key)
    here.streams.acquire()
    response = Response(packing.write(), mimetype="application/zip")
    response.call_on_close(here.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename=f"{batch_id}.scanpack.zip")
    return response


def get_signing_key() -> Response:
    """The public half of the key that signs scanpacks now; 404 where none is set, and packs are not signed."""
    key = services().signing_key
    if key is None:
        raise NotFound
    return jsonify({"algorithm": ALGORITHM, "id": key.public.id, "public_key": key.public.pem})
