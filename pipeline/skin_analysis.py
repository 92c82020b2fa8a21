"""A report of the system ``skin_hair`` in the words of the service that it grew from. Stdlib only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HEALTHY: Final = "healthy"
HEADS: Final = ("skin_type", "hair_type", "condition")
CLASSIFIED: Final = "classify_heads"


def analysis(report: Mapping[str, Any]) -> dict[str, Any]:
    """Rows S1.7 to S1.12 of a report whose heads were answered, each head with its likeliest label.

    ``confidence_scores`` are probabilities 0..1, a softmax over each head by itself. ``conditions_detected`` has at
    most one label and is empty when the likeliest condition is ``healthy``, whose probability ``condition`` then is.
    ``needs_review`` names the heads whose label is less likely than the threshold.
    """
    findings = {head: report["findings"][head] for head in HEADS}
    condition = findings["condition"]["likeliest"]
    ran = report["stages"][CLASSIFIED]
    model = ran["models"][ran["answered_by"]]
    return {
        "skin_type": findings["skin_type"]["likeliest"],
        "hair_type": findings["hair_type"]["likeliest"],
        "conditions_detected": [] if condition == HEALTHY else [condition],
        "confidence_scores": {head: found["confidence"] for head, found in findings.items()},
        "model_version": model["version"],
        "model_type": "mock" if model.get("mock") else model["runtime"],
        "model": model,
        "needs_review": [head for head, found in findings.items() if found["needs_review"]],
        "warnings": report["warnings"],
    }
