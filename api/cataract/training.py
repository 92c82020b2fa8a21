"""The seed's two calls that train: trainings like those of ``/v1/training``, asked for in its words (F35)."""

from __future__ import annotations

from flask import Response, jsonify, request

from api.json_body import read_object
from api.replies import address
from api.services import services
from api.training import asked_for
from pipeline.cataract_analysis import TRAINED_BY
from pipeline.errors import TrainingUnavailable, UnknownRecipe


def train_lgbm() -> Response:
    """202 and where to look: the fast model anew, as a training on a worker. Nothing gets into use by itself.

    Every parameter may be left out: ``data`` is then the folder that SCANMILL_TRAINING_ROOTS names, if it is one.
    """
    return _train("lgbm")


def train_clip() -> Response:
    """202 and where to look: the strong model anew, as a training on a worker. Nothing gets into use by itself.

    Every parameter may be left out: ``data`` is then the folder that SCANMILL_TRAINING_ROOTS names, if it is one.
    """
    return _train("clip")


def _train(model: str) -> Response:
    given = read_object(request) if request.mimetype or request.content_length else {}
    roots = services().training.roots
    if len(roots) == 1:
        given = {"data": str(roots[0]), **given}
    try:
        made, new_one = asked_for(TRAINED_BY[model], given, "")
    except UnknownRecipe as error:  # of a client who named none: the trainers there are cannot do it
        raise TrainingUnavailable(str(error)) from error
    where = f"/v1/training/{made.id}"
    told = {"training_id": made.id, "model": model, "recipe": made.recipe, "state": made.state}
    links = {"poll_url": address(where, absolute=True), "cancel_url": address(f"{where}/cancel", absolute=True)}
    response = jsonify({**told, **links})
    response.status_code = 202 if new_one else 200
    response.headers["Location"] = address(where)
    return response
