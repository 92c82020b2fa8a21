"""The seed's call about drift: three kinds of it kept apart, and nothing that trains or deploys by itself (F36)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Response, jsonify

from api.drift import told
from api.fields import asked
from api.services import services
from pipeline.contracts import System
from pipeline.drift import Verdict
from pipeline.drift_figures import Kind

WORTH = (Verdict.DRIFTED, Verdict.STABLE, Verdict.TOO_FEW)
"""What a kind is: drifted if one of its measures is, stable if one could be tested at all."""


def drift_status() -> Response:
    """Whether pictures, predictions, or the agreement of the two models have changed; an alert opens a review, no training.

    The cascade asks the strong model inside its band only: disagreement is that of the scans which both answered.
    """
    asked(set())
    with services().database.begin() as connection:
        found = told(connection, System.CATARACT)
    kinds = {kind: _kind([each for each in found["measures"] if each["kind"] == kind]) for kind in Kind}
    opened = Counter(alert["kind"] for alert in found["alerts"])
    return jsonify(
        {
            "drift_detected": any(kind["status"] == Verdict.DRIFTED for kind in kinds.values()),
            **{kind: {**each, "open_alerts": opened[kind]} for kind, each in kinds.items()},
            "reference": found["reference"],
            "recent": found["recent"],
            "counted_until": found["counted_until"],
            "review_url": "/v1/reviews?pipeline=cataract",
        }
    )


def _kind(measures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    verdicts = {each["verdict"] for each in measures}
    status = next((verdict for verdict in WORTH if verdict in verdicts), Verdict.TOO_FEW)
    drifted = [each for each in measures if each["verdict"] == Verdict.DRIFTED]
    names = ("source", "measure", "before", "after", "p_adjusted", "n_recent")
    return {"status": status, "drifted": [{name: each[name] for name in names} for each in drifted]}
