"""The operations on assets, and their shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from typing import Any

from api import assets
from api.fields import MOST_ITEMS
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import COUNT, MAYBE_TEXT, SHA256, STATUS, TEXT, TIME, UUID, ref, shape
from pipeline import errors
from pipeline.thermal_analysis import BANDS

Json = dict[str, Any]

_SHARE: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_MEMORY: Json = shape({"version": TEXT, "digest": SHA256})
_CROSSING: Json = {
    **shape({"at": TIME, "scan_id": UUID, "score": _SHARE, "threshold": _SHARE}),
    "type": ["object", "null"],
    "description": "the first picture at or above its threshold",
}
_POINT: Json = shape(
    {
        "at": {**TIME, "description": "when the picture was taken; when it first came, if that was not said"},
        "scan_id": UUID,
        "filename": MAYBE_TEXT,
        "status": STATUS,
        "code": MAYBE_TEXT,
        "score": _SHARE,
        "classification": {"enum": [*BANDS, None]},
        "threshold": _SHARE,
        "is_anomalous": {"type": ["boolean", "null"]},
        "memory": {**_MEMORY, "type": ["object", "null"], "description": "scores are comparable within one version"},
        "break": {"type": "boolean", "description": "another version of the memory than the answer before"},
        "max_c": {"type": ["number", "null"], "description": "the hottest place, where the camera left temperatures"},
        "emissivity": _SHARE,
    }
)
ASSET_SCHEMAS: Json = {
    "Asset": shape(
        {
            "asset_id": TEXT,
            "scans": COUNT,
            "systems": {"type": "array", "items": TEXT},
            "first_at": TIME,
            "last_at": TIME,
        }
    ),
    "AssetPage": shape({"items": {"type": "array", "items": ref("Asset")}, "next_cursor": MAYBE_TEXT}),
    "Trend": shape(
        {
            "asset_id": TEXT,
            "pipeline": {"enum": [str(system) for system in assets.SYSTEMS]},
            "more": {"type": "boolean", "description": "whether there are older scans than the newest 1,000"},
            "points": {"type": "array", "items": _POINT},
            "segments": {
                "type": "array",
                "items": shape(
                    {"memory": _MEMORY, "from": TIME, "to": TIME, "points": COUNT, "first_crossing": _CROSSING}
                ),
            },
            "first_crossing": _CROSSING,
        }
    ),
}

ASSET_OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/assets",
        handler=assets.list_assets,
        tag="assets",
        summary="List what your pictures show",
        scope="scans:read",
        parameters=(
            Parameter("limit", "query", "Items on a page", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}),
            Parameter("cursor", "query", "next_cursor of the page before"),
        ),
        answers={200: answer("AssetPage", "A page, by name")},
        errors=(errors.InvalidField,),
    ),
    Operation(
        method="GET",
        path="/v1/assets/<asset_id>/trend",
        handler=assets.asset_trend,
        tag="assets",
        summary="How the scores of one went",
        scope="scans:read",
        parameters=(
            Parameter("asset_id", "path", "The asset_id that its scans were sent with"),
            Parameter("pipeline", "query", "The system", {"enum": [str(system) for system in assets.SYSTEMS]}),
            Parameter("since", "query", "Only pictures taken from then on", TIME),
            Parameter("format", "query", "Instead of the Accept header", {"enum": list(assets.FORMATS)}),
        ),
        answers={
            200: Answer(
                "Points in their order",
                {"application/json": ref("Trend"), "text/csv": TEXT, "text/html": TEXT},
                {"Vary": "Accept"},
            )
        },
        errors=(errors.NotFound, errors.InvalidField),
    ),
)
