"""What an installation may change about a system without touching its file: thresholds, switches, ages of reuse.

``control`` reads it and stores it with the pipeline version, which every scan pins. So a threshold is part of what a
fingerprint is computed from, and two scans of one version never differ by somebody's environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.setting_names import also

BACKGROUND: Final = "remove_background"
CLASSIFIER: Final = "classify_region"


class CatFaceSettings(BaseSettings):
    """What may be changed about ``cat_face``; control reads it at its start, and new scans get it."""

    model_config = SettingsConfigDict(
        env_prefix="SCANMILL_", populate_by_name=True, extra="ignore", env_ignore_empty=True
    )

    cat_confidence_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        validation_alias=also("SCANMILL_CAT_CONFIDENCE_THRESHOLD", "CAT_CONFIDENCE_THRESHOLD"),
        description="Least probability of a cat; none: the network's own (0.7)",
    )
    face_confidence_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        validation_alias=also("SCANMILL_FACE_CONFIDENCE_THRESHOLD", "FACE_CONFIDENCE_THRESHOLD"),
        description="Least confidence of a face; none: the network's own (0.5)",
    )
    classification_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        validation_alias=also("SCANMILL_CLASSIFICATION_THRESHOLD", "CLASSIFICATION_THRESHOLD"),
        description="Below it a finding is uncertain and marked for review; none: 0.6",
    )
    enable_background_removal: bool = Field(
        default=True,
        validation_alias=also("SCANMILL_ENABLE_BACKGROUND_REMOVAL", "ENABLE_BACKGROUND_REMOVAL"),
        description="False leaves the step out for everybody; true lets each request switch it off",
    )
    enable_gradcam: bool = Field(
        default=True,
        validation_alias=also("SCANMILL_ENABLE_GRADCAM", "ENABLE_GRADCAM"),
        description="The same for heat maps",
    )
    cache_predictions: bool = Field(
        default=True,
        validation_alias=also("SCANMILL_CACHE_PREDICTIONS", "CACHE_PREDICTIONS"),
        description="False: networks answer anew each time. The cut-out has its own lifetime below",
    )
    cache_predictions_s: float | None = Field(
        None, gt=0, description="Age up to which an equal picture's predictions are reused; none: for good"
    )
    cache_background_s: float | None = Field(
        None, gt=0, description="Age up to which an equal picture's cut-out is reused; none: for good"
    )

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline as this installation wants it."""
        off = {
            name
            for name, wanted in (
                (BACKGROUND, self.enable_background_removal),
                ("explain_findings", self.enable_gradcam),
                ("explain_regions", self.enable_gradcam),
            )
            if not wanted
        }
        changes = {stage.name: self._changes(stage.name, stage.kind, bool(stage.models)) for stage in pipeline.stages}
        return pipeline.changed(changes).without(off)

    def _changes(self, name: str, kind: str, predicts: bool) -> dict[str, Any]:
        thresholds = {
            "validate_subject": self.cat_confidence_threshold,
            "detect_face": self.face_confidence_threshold,
            CLASSIFIER: self.classification_threshold,
        }
        changes: dict[str, Any] = {}
        if thresholds.get(kind) is not None:
            changes["threshold"] = thresholds[kind]
        if name == BACKGROUND:
            changes["reuse_for_s"] = self.cache_background_s
        elif predicts:
            changes["reuse_for_s"] = self.cache_predictions_s if self.cache_predictions else 0.0
        return changes


class SkinHairSettings(BaseSettings):
    """What may be changed about ``skin_hair``."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_SKIN_HAIR_", extra="ignore", env_ignore_empty=True)

    threshold: float | None = Field(
        None, ge=0, le=1, description="Below it a head's label is uncertain and marked for review; none: 0.6"
    )
    debug: bool = Field(
        default=False, description="Keep what the network was given and said as a scan's artifact `debug`, for a time"
    )

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline as this installation wants it."""
        changes = {} if self.threshold is None else {"classify_heads": {"threshold": self.threshold}}
        return pipeline.changed(changes).without(set() if self.debug else {"capture_debug"})


class ThermalSettings(BaseSettings):
    """What may be changed about ``thermal``."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_THERMAL_", extra="ignore", env_ignore_empty=True)

    threshold: float | None = Field(
        None, ge=0, le=1, description="Score from which on a picture is anomalous; none: 0.5. Bands do not depend on it"
    )
    bands: tuple[float, float, float] | None = Field(
        None, description="Scores at which Potential, Overloway and Faulty begin, as a JSON list; none: [0.3, 0.5, 0.8]"
    )
    asset_types: tuple[str, ...] = Field(
        (), description="Types with a memory of their own, `thermal_patchcore_<type>`, as a JSON list of names"
    )
    other_asset_types: Literal["refuse", "default"] = Field(
        "refuse", description="Whether a type that is not listed is refused, or compared with `thermal_patchcore`"
    )

    @field_validator("asset_types")
    @classmethod
    def _named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names) or not all(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) for name in names):
            raise ValueError("asset_types must be different names: small letters, digits and _, forty at most")
        return names

    @field_validator("bands")
    @classmethod
    def _rising(cls, bands: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if bands is not None and not 0 < bands[0] < bands[1] < bands[2] < 1:
            raise ValueError("bands must be three numbers between 0 and 1, each above the one before")
        return bands

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline as this installation wants it."""
        wanted = {
            "threshold": self.threshold,
            "starts": self.bands,
            "option_values": self.asset_types or None,
            "any_value": self.other_asset_types == "default" or None,
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        return pipeline.changed({"detect_anomalies": changes})


class CataractSettings(BaseSettings):
    """What may be changed about ``cataract``: who answers, and when the strong model is asked."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_CATARACT_", extra="ignore", env_ignore_empty=True)

    policy: Literal["fast", "strong", "cascade", "ensemble"] | None = Field(
        None, description="Whose answer is the finding: `fast`, `strong`, `cascade` or `ensemble`; none: `cascade`"
    )
    low: float | None = Field(
        None, ge=0, le=1, description="The cascade asks the strong model from this chance of cataract on; none: 0.0392"
    )
    high: float | None = Field(None, ge=0, le=1, description="And up to this one; none: 0.9608")
    fast_weight: float | None = Field(
        None, ge=0, le=1, description="The fast model's share in an ensemble, the strong one has the rest; none: 0.5"
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Below it the finding is uncertain and marked for review; none: 0.6"
    )

    def tune(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline as this installation wants it. Raises ValueError for a band whose ends are crossed."""
        weights = None if self.fast_weight is None else (self.fast_weight, 1 - self.fast_weight)
        wanted: dict[str, dict[str, Any]] = {
            "choose_path": {"policy": self.policy, "low": self.low, "high": self.high},
            "classify_cataract": {"weights": weights, "threshold": self.threshold},
        }
        changes = {
            stage: {name: value for name, value in fields.items() if value is not None}
            for stage, fields in wanted.items()
        }
        return pipeline.changed(changes)


TUNING: Final = {
    System.CAT_FACE: CatFaceSettings,
    System.SKIN_HAIR: SkinHairSettings,
    System.THERMAL: ThermalSettings,
    System.CATARACT: CataractSettings,
}


def tuned(known: Iterable[Pipeline]) -> list[Pipeline]:
    """The pipelines with what the environment changes about them. Raises pydantic's ValidationError."""
    return [TUNING[System(each.system)]().tune(each) if each.system in TUNING else each for each in known]
