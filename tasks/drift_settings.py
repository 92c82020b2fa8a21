"""What is compared with what, and how sure one must be. Shared by API and control."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.drift import Plan, Window


def _window(text: str) -> str:
    if text:
        window_of(text)
    return text


def window_of(text: str) -> Window:
    """``2026-11-01/2026-11-15`` as days; the second is not included. Raises ValueError."""
    since, _, until = text.partition("/")
    return Window(date.fromisoformat(since), date.fromisoformat(until))


class DriftSettings(BaseSettings):
    """Read from ``SCANMILL_DRIFT_*``. Days are whole ones in UTC."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_DRIFT_", extra="ignore")

    every_s: float = Field(600.0, ge=0, description="Seconds between control's looks for days to count; 0: never")
    recent_days: int = Field(7, ge=1, le=90, description="Days that are compared with the reference")
    reference_days: int = Field(28, ge=1, le=365, description="Days before those: the reference, unless it is fixed")
    reference: Annotated[str, AfterValidator(_window)] = Field(
        "", description="A fixed reference, as 2026-11-01/2026-11-15 (the second day is not included)"
    )
    least: int = Field(50, ge=10, description="Scans that a window needs; with fewer the answer is too_few")
    alpha: float = Field(0.01, gt=0, lt=1, description="Chance of any false alarm per check that is put up with")
    keep_days: int = Field(400, ge=31, le=3650, description="Days for which counts are kept")

    def plan(self, until: date) -> Plan:
        """The newest days before ``until`` against the reference."""
        reference = window_of(self.reference) if self.reference else self.reference_days
        return Plan.until(until, self.recent_days, reference, least=self.least, alpha=self.alpha)
