"""The seed's shapes as JSON Schema, with what we say beyond them."""

from __future__ import annotations

from typing import Any

from api.rescat.words import AREAS, BUCKETS
from api.schemas import MAYBE_TEXT, STATUS, TEXT, UUID, shape

Json = dict[str, Any]

_NUMBER: Json = {"type": "number"}
_MAYBE_NUMBER: Json = {"type": ["number", "null"]}
_SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
_MAYBE_SHARE: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_OBJECT: Json = {"type": "object"}
_POINT: Json = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_SWITCH: Json = {"type": "boolean", "default": True}

_WHERE: Json = {
    "processing_time": {**_NUMBER, "description": "seconds from the submit to the scan's end"},
    "scan_id": UUID,
    "status": STATUS,
    "files": {
        "type": "object",
        "propertyNames": {"enum": list(BUCKETS)},
        "additionalProperties": {"type": "array", "items": TEXT},
        "description": "bucket → lasting addresses, each of which gives a fresh link to whoever has a key",
    },
}
_BOX: Json = {
    "bbox": {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4, "description": "x, y, width, height"},
    "confidence": _SHARE,
    "detected_on": {"enum": ["cutout", "original"]},
}


def _points(where: str) -> Json:
    return {"type": "object", "additionalProperties": _POINT, "description": f"name → x, y, in pixels of {where}"}


_FINDING = shape(
    {
        "class": {
            "type": ["string", "null"],
            "description": "normal, abnormal, or uncertain: then a person should look",
        },
        "confidence": _MAYBE_SHARE,
        "probabilities": {"type": ["object", "null"], "additionalProperties": _SHARE},
        "needs_review": {"type": "boolean"},
        "crop_url": MAYBE_TEXT,
        "gradcam_url": MAYBE_TEXT,
    },
    optional={"error": TEXT, "code": TEXT},
)


def sent(switches: Json) -> Json:
    """What a call takes as JSON: one source of the picture, and switches."""
    source = {"image_url": {**TEXT, "format": "uri"}, "object_key": TEXT}
    return {
        **shape({}, optional={**source, **switches}),
        "oneOf": [{"required": ["image_url"]}, {"required": ["object_key"]}],
    }


def form(switches: Json) -> Json:
    """What a call takes as a form: the picture, and switches."""
    return shape({"file": {"type": "string", "format": "binary"}}, optional=switches)


CROP: Json = {"return_crop": _SWITCH}
PREDICTING: Json = {"remove_bg": _SWITCH, "generate_gradcam": _SWITCH}

RESCAT_SCHEMAS: Json = {
    "RescatPending": shape({"scan_id": UUID, "status": STATUS, "poll_url": TEXT}),
    "RescatFailure": shape(
        {
            "success": {"const": False},
            "error": {**TEXT, "description": "the seed's code; ours where the seed has none"},
            "code": {**TEXT, "description": "our own code"},
            "message": TEXT,
            "confidence": _MAYBE_NUMBER,
            **_WHERE,
        }
    ),
    "RescatValidated": shape(
        {
            "is_cat": {"type": "boolean"},
            "confidence": {**_SHARE, "description": "the probability of a cat"},
            "message": TEXT,
            "threshold": _SHARE,
            **_WHERE,
        },
        optional={"breed": MAYBE_TEXT, "breed_confidence": _MAYBE_SHARE},
    ),
    "RescatDetected": shape(
        {
            "success": {"const": True},
            "detection": shape({**_BOX, "class": {"const": "cat_face"}}),
            "crop_url": MAYBE_TEXT,
            "image": _OBJECT,
            **_WHERE,
        }
    ),
    "RescatPredicted": shape(
        {
            "success": {"const": True},
            "original_url": MAYBE_TEXT,
            "nobg_url": MAYBE_TEXT,
            "subject": _OBJECT,
            "image": _OBJECT,
            "face_detection": shape({**_BOX, "url": MAYBE_TEXT}),
            "landmarks": _points("the face's crop"),
            "landmarks_in_image": _points("the upright picture, whose size is told"),
            "landmarks_confidence": _SHARE,
            "classifications": shape(dict.fromkeys(AREAS, _FINDING)),
            "needs_review": {"type": "array", "items": {"enum": list(AREAS)}},
            "preview_url": MAYBE_TEXT,
            "health_score": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
            "health_score_formula": _OBJECT,
            "warnings": {"type": "array", "items": _OBJECT},
            **_WHERE,
        }
    ),
}
