"""A system of three stages whose scans end with a canonical picture, a finding and a pupil, as a worker would write them."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

from db import ledger, pipelines, results
from db.ledger import Claim
from db.results import Answer, StoredFile
from pipeline.contracts import RunState
from storage.keys import artifact_key
from tests.integration.api.harness import PROFILE, SPECIFICATION, Api

STAGES = ("fetch_input", "decode_image", "build_report")
MODEL = {"cataract_fast": {"version": "1.2.0", "digest": "d" * 64}}
BOX = {"x": 8.0, "y": 8.0, "width": 20.0, "height": 20.0}


def report(label: str) -> dict[str, Any]:
    """What a report of an eye says, as far as a dataset reads it."""
    return {
        "image": {"width": 64, "height": 64},
        "pupil": {"pupil": {"x": 18.0, "y": 18.0, "radius": 10.0, "box": BOX}, "quality": 0.75},
        "findings": {"cataract": {"label": label, "likeliest": label, "confidence": 0.9, "needs_review": False}},
        "stages": {"classify_fast": {"models": MODEL}},
    }


def publish(api: Api) -> None:
    """Offer it as the system of eyes."""
    first = SPECIFICATION["stages"][0]
    assert isinstance(first, dict)
    stages = [
        {**first, "name": name, "kind": name, "needs": [STAGES[n - 1]] if n else []} for n, name in enumerate(STAGES)
    ]
    with api.here.database.begin() as connection:
        pipelines.publish(connection, {"system": "cataract", "stages": stages})


def work(api: Api, label: str = "normal") -> None:
    """Do all the work there is; each picture's canonical one is made of its own bytes."""
    owner = uuid4()
    with api.here.database.begin() as connection:
        ledger.register(connection, owner, "test@host", 1, PROFILE)
        known = {spec.id: spec.name for spec in pipelines.every_stage(connection, after=0)}
    while True:
        with api.here.database.begin() as connection:
            found = ledger.next_stage(connection, ["cpu"], list(known))
            if found is None:
                return
            claims = ledger.claim(connection, owner, found.stage_id, 16)
            ledger.start(connection, [claim.scan_id for claim in claims])
        answers = [_answer(api, known[claim.stage_id], claim, label) for claim in claims]
        with api.here.database.begin() as connection:
            results.complete(connection, answers, PROFILE)


def _answer(api: Api, stage: str, claim: Claim, label: str) -> Answer:
    """The picture's digest is part of the first answer, so that different pictures share no later one."""
    data: dict[str, Any] = {"report": report(label)} if stage == "build_report" else {"of": claim.input_sha256}
    files = {}
    if stage == "decode_image":
        content = f"canonical {claim.input_sha256}".encode()
        digest = hashlib.sha256(content).hexdigest()
        api.here.storage.put(artifact_key(claim.tenant_id, digest), content, "image/png")
        files["canonical"] = StoredFile(digest, len(content), "image/png")
    return Answer(claim, RunState.OK, data=data, artifacts=files, compute_ms=1.0)
