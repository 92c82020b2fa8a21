"""Trainings: asked for here, carried out by workers that train. Nothing is ever trained in this process.

For administrators: a training takes hours of a machine. What it exports becomes versions that somebody must promote.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api.auth import principal
from api.fields import asked, only_known, page_size, text_of
from api.ids import uuid_of
from api.json_body import read_object
from api.problems import invalid
from api.replies import address
from api.services import services
from api.submission import idempotency_key
from api.training_parameters import read_parameters
from db import training_runs
from db.training_runs import STATES, NewRun, TrainingRow
from pipeline.errors import NotFound
from storage.keys import training_key

LONGEST_NAME = 64
_BINARY = "application/octet-stream"


def list_recipes() -> Response:
    """What can be trained: the recipes that workers announced, each with its sentence."""
    with services().database.begin() as connection:
        found = training_runs.recipes(connection)
    return jsonify({"items": [asdict(each) for each in found]})


def submit_training() -> Response:
    """202 and where to look; 200 for a repeated Idempotency-Key. A worker that trains takes it when it is free."""
    body = read_object(request)
    only_known(body, frozenset({"recipe", "parameters"}))
    recipe = text_of(body.get("recipe"), "recipe", LONGEST_NAME)
    made, new_one = asked_for(recipe, body.get("parameters"))
    return _accepted(made, new_one=new_one)


def asked_for(recipe: str, given: object, within: str = "parameters.") -> tuple[TrainingRow, bool]:
    """The training that the current request asks for, and whether it is new, rather than its Idempotency-Key's.

    Refusals call a parameter ``within`` and its name. Raises UnknownRecipe and TrainingUnavailable, too.
    """
    here, tenant = services(), principal().tenant_id
    parameters = read_parameters(given, here.training.roots, within)
    new = NewRun(
        tenant_id=tenant,
        recipe=recipe,
        parameters=parameters,
        asked_by=f"key {principal().key_id}",
        idempotency_key=idempotency_key(),
    )
    with here.database.begin() as connection:
        if "after" in parameters:
            earlier = training_runs.get(connection, tenant, UUID(parameters["after"]))
            if earlier is None or earlier.state != "succeeded":
                raise invalid(f"{within}after", "must be the id of a training of yours that succeeded")
        made, new_one = training_runs.submit(connection, new)
    if new_one:
        here.doorbell.ring_training([made.id])
    return made, new_one


def list_trainings() -> Response:
    """The newest first."""
    asked({"state", "limit"})
    state, limit = request.args.get("state"), page_size()
    if state is not None and state not in STATES:
        raise invalid("state", f"must be one of {', '.join(STATES)}")
    with services().database.begin() as connection:
        found = training_runs.listing(connection, principal().tenant_id, state=state, limit=limit)
    return jsonify({"items": [_shown(each) for each in found]})


def get_training(training_id: str) -> Response:
    """How far it is, in steps, seconds and loss; when it is over, its scores, its files and the versions made of them."""
    with services().database.begin() as connection:
        found = training_runs.get(connection, principal().tenant_id, uuid_of(training_id))
    if found is None:
        raise NotFound
    return jsonify(_shown(found))


def cancel_training(training_id: str) -> Response:
    """For good. What runs writes its checkpoint and ends within seconds, so it can still be resumed."""
    with services().database.begin() as connection:
        found = training_runs.cancel(connection, principal().tenant_id, uuid_of(training_id))
    if found is None:
        raise NotFound
    return jsonify(_shown(found))


def resume_training(training_id: str) -> Response:
    """202: a new training that goes on from this one's checkpoint; 200 if there is one under way that does so already."""
    with services().database.begin() as connection:
        found = training_runs.resume(
            connection, principal().tenant_id, uuid_of(training_id), f"key {principal().key_id}"
        )
    if found is None:
        raise NotFound
    if found[1]:
        services().doorbell.ring_training([found[0].id])
    return _accepted(found[0], new_one=found[1])


def get_training_file(training_id: str, name: str) -> Response:
    """302 to a link that lives for minutes: weights, an export, a note of how it was trained and scored."""
    here, tenant = services(), principal().tenant_id
    with here.database.begin() as connection:
        found = training_runs.get(connection, tenant, uuid_of(training_id))
    if found is None or name not in found.files:
        raise NotFound
    url = here.storage.signed_url(
        training_key(tenant, found.files[name]["sha256"]),
        expires_s=here.settings.signed_url_s,
        media_type=_BINARY,
        filename=name,
    )
    response = Response(status=302, headers={"Location": url if "://" in url else address(url)})
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _accepted(made: TrainingRow, *, new_one: bool) -> Response:
    response = jsonify(_shown(made))
    response.status_code = 202 if new_one else 200
    response.headers["Location"] = address(f"/v1/training/{made.id}")
    return response


def _shown(found: TrainingRow) -> dict[str, Any]:
    """A run for clients: ``checkpoint`` only says whether there is one."""
    told = {**asdict(found), "checkpoint": found.checkpoint is not None}
    told["files"] = [{"name": name, **file} for name, file in sorted(found.files.items())]
    return told
