"""A report of the system ``cataract`` in the words of the service that it grew from. Stdlib only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CATARACT: Final = "cataract"
WORDS: Final = {"fast": "lgbm", "strong": "clip"}
"""Our models' names in the seed's words; neither of ours is its CLIP."""
BOTH: Final = "ensemble"
TRAINED_BY: Final = {word: f"cataract_{name}" for name, word in WORDS.items()}
"""The seed's words to the recipes that train these models."""


def found(report: Mapping[str, Any] | None) -> bool:
    """Whether a report holds a finding; ``uncertain`` is one."""
    return report is not None and "label" in report["findings"][CATARACT]


def prediction(report: Mapping[str, Any]) -> dict[str, Any]:
    """Rows S3.26 to S3.28 and S3.34 of a report that has a finding.

    ``prediction`` is ``cataract``, ``normal`` or ``uncertain``; ``likeliest`` what it leans to; ``scores`` the chance of
    cataract by model, null for one that did not answer, whose code is in ``not_asked``. ``model_used`` is whose answer
    the prediction is, ``path`` who answered in order.
    """
    told = report["decision"]
    by = list(told["decided_by"])
    return {
        "prediction": told["label"],
        "likeliest": told["likeliest"],
        "confidence": told["confidence"],
        "probabilities": told["probabilities"],
        "needs_review": told["needs_review"],
        "model_used": WORDS[by[0]] if len(by) == 1 else BOTH,
        "policy": told["policy"],
        "band": told["band"],
        "path": [WORDS[name] for name in told["path"]],
        "spared": [WORDS[name] for name in told["spared"]],
        "scores": {WORDS[name]: answer.get(CATARACT) for name, answer in told["answers"].items()},
        "not_asked": {WORDS[name]: answer["code"] for name, answer in told["answers"].items() if "code" in answer},
        "disagreement": report["agreement"]["disagreement"],
        "pupil": report["pupil"],
        "models": _models(report["stages"]),
        "warnings": report["warnings"],
    }


def _models(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Name, version and digest of every model that answered."""
    return {name: model for stage in stages.values() for name, model in stage["models"].items()}
