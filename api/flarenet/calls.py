"""One thermogram: the same submit and queue as ``/v1/scans``, a bounded wait, the seed's words; and what the model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, jsonify, request, url_for

from api.auth import principal
from api.fields import ABOUT, asked, choice_of, number_option, share_of, switch_of
from api.links import signed_link
from api.outcomes import Scan, answered, ask, scan_of
from api.services import services
from api.submission import read_sent
from db import model_promotions, model_versions
from pipeline.contracts import ScanStatus, System
from pipeline.errors import ModelUnavailable
from pipeline.sniff import MEDIA_TYPES
from pipeline.thermal_analysis import MODEL, TYPE, analysis

SWITCH: Final = "return_visualizations"
NUMBER: Final = "emissivity"
FIELDS: Final = frozenset({"threshold", SWITCH, NUMBER, TYPE, *ABOUT})
PICTURES: Final = ("mask", "overlay", "filtered", "bounded")
Json = dict[str, Any]


def detect_anomaly() -> Response:
    """Score, band and boxes of a thermogram. 202 with ``poll_url`` if it takes longer than the wait."""
    return ask(
        System.THERMAL,
        lambda: read_sent(FIELDS),
        lambda scan, sent: _answer(scan, wishes(sent.fields)[0]),
        lambda sent: wishes(sent.fields)[1],
    )


def anomaly_result(scan_id: str) -> Response:
    """The answer again, or for the first time; 202 while it is under way. ``threshold`` may be another one."""
    threshold = threshold_asked()
    return _answer(scan_of(scan_id, System.THERMAL), threshold)


def model_info() -> Response:
    """The version that new scans get: what it is made of and what was measured of it. MODEL_UNAVAILABLE without one.

    ``asset_type`` asks for that type's own memory.
    """
    asked({TYPE})
    name = f"{MODEL}_{choice_of(request.args[TYPE], TYPE)}" if TYPE in request.args else MODEL
    with services().database.begin() as connection:
        digest = model_promotions.current(connection).get(name)
        version = model_versions.find(connection, name, digest) if digest else None
    if version is None:
        raise ModelUnavailable(f"no pack here has {name}")
    entry = version.entry
    return jsonify(
        {
            "model_type": "PatchCore",
            "name": version.name,
            "version": version.version,
            "digest": version.digest,
            "pack": version.pack,
            "licence": entry["licence"],
            "trained_on": list(entry.get("trained_on", ())),
            "training_date": entry.get("trained_at"),
            "metrics": entry.get("metrics", {}),
            "thresholds": entry.get("thresholds", {}),
            "supported_formats": ["jpg", *MEDIA_TYPES],
        }
    )


def wishes(fields: Mapping[str, Any]) -> tuple[float | None, dict[str, Any]]:
    """The threshold of a request, None if it has none, and the scan's options."""
    threshold = share_of(fields["threshold"], "threshold") if "threshold" in fields else None
    shown = switch_of(fields.get(SWITCH, True), SWITCH)
    options: dict[str, Any] = {} if shown else {SWITCH: False}
    if NUMBER in fields:
        options[NUMBER] = number_option(NUMBER, fields[NUMBER], NUMBER)
    if TYPE in fields:
        options[TYPE] = choice_of(fields[TYPE], TYPE)
    return threshold, options


def threshold_asked() -> float | None:
    """The threshold in the query."""
    asked({"threshold"})
    return share_of(request.args["threshold"], "threshold") if "threshold" in request.args else None


def told(scan: Mapping[str, Any], threshold: float | None) -> Json:
    """What an ended scan found, with links to its pictures and the seconds that its steps took."""
    return {
        **analysis(scan["report"], threshold),
        "visualizations": _links(scan),
        "processing_time": round(sum(stage["compute_ms"] or 0 for stage in scan["stages"]) / 1000, 3),
        "scan_id": scan["id"],
        "status": scan["status"],
    }


def _links(scan: Mapping[str, Any]) -> dict[str, str | None]:
    here, tenant = services(), principal().tenant_id
    files = {each["name"]: each for each in scan["artifacts"] if not each["expired"]}
    return {
        f"{name}_url": signed_link(
            here, tenant, files[name]["sha256"], media_type=files[name]["media_type"], title=f"{scan['id']}-{name}"
        )
        if name in files
        else None
        for name in PICTURES
    }


def _answer(scan: Scan, threshold: float | None) -> Response:
    where = url_for("anomaly_result", scan_id=scan["id"], threshold=threshold)
    return answered(scan, where, lambda ended: told(ended, threshold) if judged(ended) else None)


def judged(scan: Mapping[str, Any]) -> bool:
    """Whether there is a score: also where a picture for people could not be drawn."""
    return scan["status"] in (ScanStatus.SUCCEEDED, ScanStatus.PARTIAL) and bool((scan["report"] or {}).get("anomaly"))
