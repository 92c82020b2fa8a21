"""The seed's shapes, as JSON Schema."""

from __future__ import annotations

from typing import Any

from api.schemas import CONSENT_TEXT, CONSENT_WISH, COUNT, MAYBE_TEXT, STATUS, TEXT, UUID, shape
from pipeline.cataract_analysis import BOTH, WORDS
from pipeline.contracts import ScanStatus

Json = dict[str, Any]

_MODELS: Json = {"enum": list(WORDS.values())}
_SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
_FILE: Json = {"type": "string", "format": "binary"}
_POLICY: Json = {"enum": ["fast", "strong", "cascade", "ensemble"]}
_NUMBERS: Json = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}

_PREDICTION: Json = {
    "prediction": {"enum": ["cataract", "normal", "uncertain"], "description": "uncertain: below the threshold"},
    "likeliest": {"enum": ["cataract", "normal"]},
    "confidence": _SHARE,
    "probabilities": shape({"cataract": _SHARE, "normal": _SHARE}),
    "needs_review": {"type": "boolean"},
    "model_used": {"enum": [*WORDS.values(), BOTH], "description": "whose answer the prediction is"},
    "policy": _POLICY,
    "band": {"anyOf": [shape({"low": _SHARE, "high": _SHARE}), {"type": "null"}]},
    "path": {"type": "array", "items": _MODELS, "description": "who answered, in order"},
    "spared": {"type": "array", "items": _MODELS, "description": "whom the cascade saved"},
    "scores": shape({name: {"type": ["number", "null"]} for name in WORDS.values()}),
    "not_asked": {"type": "object", "additionalProperties": MAYBE_TEXT, "description": "model: its code"},
    "disagreement": {"type": ["boolean", "null"], "description": "null: fewer than two sure answers"},
    "pupil": {"type": ["object", "null"], "description": "pupil or null, quality, least, method, code"},
    "models": {"type": "object", "description": "name, version, digest of every model that answered"},
    "warnings": {"type": "array", "items": {"type": "object"}},
}

CATARACT_SCHEMAS: Json = {
    "CataractPicture": {
        **shape({}, optional={"image": _FILE, "file": _FILE, "consent": CONSENT_TEXT}),
        "oneOf": [{"required": ["image"]}, {"required": ["file"]}],
    },
    "CataractSource": {
        **shape({}, optional={"image_url": {**TEXT, "format": "uri"}, "object_key": TEXT, "consent": CONSENT_WISH}),
        "oneOf": [{"required": ["image_url"]}, {"required": ["object_key"]}],
    },
    "CataractPictures": shape(
        {},
        optional={
            **{name: {"type": "array", "items": _FILE} for name in ("images", "files", "image", "file")},
            "consent": CONSENT_TEXT,
        },
    ),
    "CataractPending": shape({"scan_id": UUID, "status": STATUS, "poll_url": TEXT}),
    "CataractPrediction": shape(
        {
            **_PREDICTION,
            "processing_time": {
                "type": "number",
                "minimum": 0,
                "description": "seconds, waiting in the queue included",
            },
            "stage_ms": {
                **_NUMBERS,
                "description": "computing alone, by stage; null: nothing ran, or it was known before",
            },
            "ray_worker_id": {"type": "null", "description": "there is no Ray; a scan's stages are rows"},
            "scan_id": UUID,
            "status": STATUS,
        }
    ),
    "CataractBatch": shape(
        {
            "batch_id": UUID,
            "state": TEXT,
            "counts": {"type": "object", "additionalProperties": COUNT},
            "results": {
                "type": "array",
                "items": shape(
                    {
                        "filename": MAYBE_TEXT,
                        "scan_id": {"type": ["string", "null"]},
                        "status": {"enum": [*map(str, ScanStatus), "refused", "deleted"]},
                        "code": MAYBE_TEXT,
                        "prediction": {"anyOf": [shape(_PREDICTION), {"type": "null"}]},
                    }
                ),
            },
            "poll_url": TEXT,
        }
    ),
    "CataractTraining": shape(
        {
            "training_id": UUID,
            "model": {"enum": list(WORDS.values())},
            "recipe": TEXT,
            "state": TEXT,
            "poll_url": {**TEXT, "description": "the training: how far it is, its scores, the versions made of it"},
            "cancel_url": TEXT,
        }
    ),
    "CataractSystem": shape(
        {
            "version": TEXT,
            "pipeline_version": TEXT,
            "policy": {"type": "object", "description": "policy, band, weights, threshold of new scans"},
            "models": {"type": "object", "additionalProperties": TEXT, "description": "model: digest"},
            "scans": {"type": "object", "additionalProperties": COUNT, "description": "your own, of every system"},
            "api_host": shape(
                {"cpus": {"type": ["integer", "null"]}, "load_average": {"type": "array", "items": {"type": "number"}}}
            ),
        }
    ),
}
