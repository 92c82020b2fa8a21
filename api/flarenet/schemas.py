"""The seed's shapes."""

from __future__ import annotations

from typing import Any

from api.schemas import ABOUT, COUNT, MAYBE_TEXT, OPTION_NUMBERS, SHA256, STATUS, TEXT, UUID, ref, shape
from pipeline.thermal_analysis import BANDS, TYPE, TYPES, WORDS

Json = dict[str, Any]

SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
_SIZE: Json = {"type": "number", "minimum": 0}
_FILE: Json = {"type": "string", "format": "binary"}
_WISHES: Json = {
    "threshold": {**SHARE, "description": "score from which on is_anomalous is true; bands do not depend on it"},
    "return_visualizations": {"type": "boolean", "default": True},
    TYPE: {
        **TEXT,
        "description": "which memory it is compared with, where types have their own; see SCANMILL_THERMAL_ASSET_TYPES",
    },
    "emissivity": {
        **OPTION_NUMBERS["emissivity"],
        "description": "in place of the camera's, where it left temperatures",
    },
    **ABOUT,
}
PICTURE: Json = shape({"file": _FILE}, optional=_WISHES)
PICTURES: Json = shape({"files[]": {"type": "array", "items": _FILE, "maxItems": 20}}, optional=_WISHES)
_BOX: Json = shape(
    {
        "x": _SIZE,
        "y": _SIZE,
        "width": _SIZE,
        "height": _SIZE,
        "confidence": SHARE,
        "type": {"enum": list(TYPES), "description": "Critical: as odd as what makes a picture Faulty"},
    },
    description="pixels of the upright picture",
)
_CELSIUS: Json = {"type": "number"}
_MAYBE_CELSIUS: Json = {"type": ["number", "null"]}
_TEMPERATURES: Json = {
    **shape(
        {
            "unit": {"const": "°C"},
            **dict.fromkeys(("min", "max", "mean"), _CELSIUS),
            "aligned": {
                "type": "boolean",
                "description": "whether the picture shows the whole plane: else no place is told",
            },
            "agreement": {**SHARE, "description": "how far temperatures explain the picture's colours"},
            "hottest": {**shape({"x": _SIZE, "y": _SIZE}), "type": ["object", "null"]},
            "boxes": {
                "type": ["array", "null"],
                "items": shape({"max": _MAYBE_CELSIUS, "mean": _MAYBE_CELSIUS}),
                "description": "one per bounding box",
            },
            "emissivity": SHARE,
            "emissivity_from": {"enum": ["camera", "request"]},
            "reflected_c": _CELSIUS,
            "atmosphere_c": _CELSIUS,
            "humidity": SHARE,
            "distance_m": _SIZE,
            "transmission": {**SHARE, "description": "of the air"},
            "range": {
                **shape({"from": _CELSIUS, "to": _CELSIUS}),
                "type": ["object", "null"],
                "description": "what the camera was set to measure",
            },
            "outside": {"type": ["number", "null"], "description": "share of the plane beyond that range"},
            "unmeasured": {**SHARE, "description": "share of the plane without a temperature"},
            "width": COUNT,
            "height": COUNT,
        }
    ),
    "type": ["object", "null"],
    "description": "null where the camera left none; temperatures_code says why",
}
_FOUND: Json = {
    "anomaly_score": SHARE,
    "classification": {"enum": list(BANDS)},
    "confidence": {"enum": [word for word, _ in WORDS], "description": "the word for confidence_score"},
    "confidence_score": {**SHARE, "description": "how far inside its band the score lies; 0: on a border"},
    "is_anomalous": {"type": "boolean", "description": "anomaly_score is at least threshold"},
    "threshold": SHARE,
    "bounding_boxes": {"type": "array", "items": _BOX, "maxItems": 20},
    "boxes_found": COUNT,
    "raw_score": {**_SIZE, "description": "distance from what is remembered; only comparable within one model version"},
    "scale": shape({"typical": _SIZE, "limit": _SIZE}, description="distances that become 0.05 and 0.5"),
    "temperatures": _TEMPERATURES,
    "temperatures_code": MAYBE_TEXT,
    "visualizations": shape({f"{name}_url": MAYBE_TEXT for name in ("mask", "overlay", "filtered", "bounded")}),
    "processing_time": {**_SIZE, "description": "seconds that its steps took; 0 when all of it was known"},
    "model_version": TEXT,
    "model": {"type": "object", "description": "its name, version, digest, pack and runtime"},
    TYPE: {**MAYBE_TEXT, "description": "the type that was asked for; model.name says which memory answered"},
    "warnings": {"type": "array", "items": {"type": "object"}},
    "scan_id": UUID,
    "status": STATUS,
}
_LINE: Json = shape({"file": TEXT, "scan_id": {"type": ["string", "null"]}, "status": TEXT},
                    optional={"code": TEXT, "message": TEXT})  # fmt: skip

FLARENET_SCHEMAS: Json = {
    "FlarenetSource": {
        **shape({}, optional={"image_url": {**TEXT, "format": "uri"}, "object_key": TEXT, **_WISHES}),
        "oneOf": [{"required": ["image_url"]}, {"required": ["object_key"]}],
    },
    "FlarenetPending": shape({"scan_id": UUID, "status": STATUS, "poll_url": TEXT}),
    "FlarenetAnomaly": shape(_FOUND),
    "FlarenetLine": _LINE,
    "FlarenetFile": shape({"file": TEXT, **_FOUND}),
    "FlarenetBatch": shape(
        {
            "batch_id": UUID,
            "status": TEXT,
            "poll_url": TEXT,
            "results": {"type": "array", "items": {"anyOf": [ref("FlarenetFile"), ref("FlarenetLine")]}},
            "summary": shape(
                {
                    "total_images": COUNT,
                    "counts": shape({**dict.fromkeys(BANDS, COUNT), "without_answer": COUNT, "pending": COUNT},
                                    description="add up to total_images"),
                    "faulty_count": COUNT,
                    "normal_count": COUNT,
                    "average_processing_time": {"type": ["number", "null"], "minimum": 0},
                }
            ),
        }
    ),
    "FlarenetModel": shape(
        {
            "model_type": {"const": "PatchCore"},
            "name": TEXT,
            "version": TEXT,
            "digest": SHA256,
            "pack": TEXT,
            "licence": TEXT,
            "trained_on": {"type": "array", "items": TEXT},
            "training_date": {**MAYBE_TEXT, "description": "of the manifest; null where it has none"},
            "metrics": {"type": "object", "description": "by name: value, interval, n, and on what; empty: not measured"},
            "thresholds": {"type": "object", "additionalProperties": {"type": "number"}},
            "supported_formats": {"type": "array", "items": TEXT},
        }
    ),
}  # fmt: skip
