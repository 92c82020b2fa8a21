"""The operations on trainings and their shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import training
from api.fields import MOST_ITEMS
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import COUNT, MAYBE_TEXT, MAYBE_TIME, SCHEMAS, SHA256, TEXT, TIME, UUID, listed, ref, shape
from api.training_parameters import MOST_MINUTES, MOST_SCALE, MOST_SEED, PATHS
from db.training_runs import STATES
from pipeline import errors

_STATE = {"type": "string", "enum": list(STATES)}
_FIGURE = {"type": ["number", "null"]}
_TRUTH = {"type": "boolean"}
_DATA = {"data": {**TEXT, "description": f"{PATHS['data']}, below one of SCANMILL_TRAINING_ROOTS"}}
_PARAMETERS = {
    **{name: {**TEXT, "description": about} for name, about in PATHS.items() if name != "data"},
    "budget": {"type": "string", "enum": ["cpu", "gpu"], "description": "as the worker is, if not said"},
    "scale": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SCALE},
    "minutes": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_MINUTES},
    "seed": {"type": "integer", "minimum": 0, "maximum": MOST_SEED},
    "again": {**_TRUTH, "description": "only export and score the weights of the training that after names"},
    "train_only": {**_TRUTH, "description": "neither export nor score"},
    "after": {**UUID, "description": "begin with the files of this training of yours, which succeeded"},
}

SCHEMAS |= {
    "Recipe": shape({"name": TEXT, "about": TEXT, "seen_at": TIME}),
    "TrainingParameters": shape(_DATA, optional=_PARAMETERS),
    "SeedTrainingParameters": shape({}, optional=_DATA | _PARAMETERS),
    "NewTraining": shape({"recipe": TEXT, "parameters": ref("TrainingParameters")}),
    "TrainingProgress": {
        "type": "object",
        "description": "as the training tells it, at least every few seconds; empty until then",
        "properties": {
            "state": {"type": "string", "enum": ["drawing", "training", "exporting", "scoring", "done"]},
            **dict.fromkeys(("stage", "stages", "step", "steps"), COUNT),
            **dict.fromkeys(("loss", "pictures_per_s", "eta_s"), _FIGURE),
            "metrics": {"type": "array", "items": {"type": "object"}},
            "files": {"type": "array", "items": TEXT},
            "then": {**TEXT, "description": "the command that takes in what it left"},
        },
    },
    "Training": shape(
        {
            "id": UUID,
            "recipe": TEXT,
            "parameters": {"type": "object"},
            "asked_by": TEXT,
            "resumed_from": {"type": ["string", "null"], "format": "uuid"},
            "state": _STATE,
            "code": MAYBE_TEXT,
            "detail": MAYBE_TEXT,
            "attempts": COUNT,
            "progress": ref("TrainingProgress"),
            "checkpoint": {**_TRUTH, "description": "whether there is one to go on from"},
            "files": {"type": "array", "items": shape({"name": TEXT, "sha256": SHA256, "size": COUNT})},
            "versions": {
                "type": "array",
                "items": shape({"name": TEXT, "version": TEXT, "digest": SHA256}),
                "description": "model versions registered of its exports; none is promoted",
            },
            "created_at": TIME,
            "started_at": MAYBE_TIME,
            "finished_at": MAYBE_TIME,
            "cancel_requested_at": MAYBE_TIME,
        }
    ),
}

_ID = Parameter("training_id", "path", "A training's id", {"type": "string", "format": "uuid"})
TRAINING_KEY = Parameter(
    "Idempotency-Key", "header", "Makes a request safe to repeat: the same key and request give the same training"
)
_WHERE = {"Location": "The training's address"}

TRAINING_OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/training/recipes",
        handler=training.list_recipes,
        tag="training",
        summary="What can be trained",
        scope="admin",
        answers={200: Answer("Recipes by name", {"application/json": listed(ref("Recipe"))})},
    ),
    Operation(
        method="POST",
        path="/v1/training",
        handler=training.submit_training,
        tag="training",
        summary="Train a network",
        scope="admin",
        parameters=(TRAINING_KEY,),
        body={"application/json": ref("NewTraining")},
        answers={
            200: answer("Training", "The training that this Idempotency-Key made before", **_WHERE),
            202: answer("Training", "Accepted", **_WHERE),
        },
        errors=(
            errors.InvalidJson,
            errors.InvalidField,
            errors.UnsupportedContentType,
            errors.PayloadTooLarge,
            errors.PathNotAllowed,
            errors.UnknownRecipe,
            errors.TrainingUnavailable,
            errors.IdempotencyConflict,
        ),
    ),
    Operation(
        method="GET",
        path="/v1/training",
        handler=training.list_trainings,
        tag="training",
        summary="List trainings",
        scope="admin",
        parameters=(
            Parameter("state", "query", "Only trainings in this state", _STATE),
            Parameter("limit", "query", "Most items", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}),
        ),
        answers={200: Answer("The newest first", {"application/json": listed(ref("Training"))})},
        errors=(errors.InvalidField,),
    ),
    Operation(
        method="GET",
        path="/v1/training/<training_id>",
        handler=training.get_training,
        tag="training",
        summary="A training: progress, scores, files, versions",
        scope="admin",
        parameters=(_ID,),
        answers={200: answer("Training", "The training")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="POST",
        path="/v1/training/<training_id>/cancel",
        handler=training.cancel_training,
        tag="training",
        summary="Cancel a training",
        scope="admin",
        parameters=(_ID,),
        answers={200: answer("Training", "Cancelled, or to be cancelled within seconds")},
        errors=(errors.NotFound, errors.AlreadyFinished),
    ),
    Operation(
        method="POST",
        path="/v1/training/<training_id>/resume",
        handler=training.resume_training,
        tag="training",
        summary="Go on with a training that failed or was cancelled",
        scope="admin",
        parameters=(_ID,),
        answers={
            200: answer("Training", "The training under way that goes on with it", **_WHERE),
            202: answer("Training", "A new training, from the checkpoint", **_WHERE),
        },
        errors=(errors.NotFound, errors.NotFinished, errors.AlreadyFinished),
    ),
    Operation(
        method="GET",
        path="/v1/training/<training_id>/files/<name>",
        handler=training.get_training_file,
        tag="training",
        summary="A file that a training left",
        scope="admin",
        parameters=(_ID, Parameter("name", "path", "The file's name")),
        answers={302: Answer("A link that lives for minutes", headers={"Location": "The link"})},
        errors=(errors.NotFound,),
    ),
)
