"""Settings of the model room."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.setting_names import also

PACKS_ROOT = Path(__file__).resolve().parents[2] / "models"


class ModelSettings(BaseSettings):
    """Read from ``SCANMILL_MODEL_*``; ``SCANMILL_ENV`` decides whether mock models may load at all."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_MODEL_", populate_by_name=True, extra="ignore")

    packs: str = Field(default="starter", description="Packs in order of preference, separated by commas.")
    root: Path = Field(
        default=PACKS_ROOT,
        validation_alias=also("SCANMILL_MODEL_ROOT", "MODEL_DIR"),
        description="Directory that holds one folder per pack.",
    )
    mirror: str | None = Field(default=None, description="Directory that holds public weights, by file name.")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="Where sessions run; cuda is refused where there is none."
    )
    threads: int = Field(default=1, ge=1, le=64, description="Threads inside one forward pass.")
    batch: int = Field(
        default=16, ge=1, le=256, description="Pictures in every forward pass on CUDA; on a CPU it is 1."
    )
    cache: Path | None = Field(
        default=None,
        validation_alias=also("SCANMILL_MODEL_CACHE", "CACHE_DIR"),
        description="Directory that keeps files which came from storage.",
    )
    cache_mb: int = Field(default=1024, ge=0, description="Most megabytes in it; the least used files go first.")
    allow_mock: bool = Field(default=False, description="Whether models marked mock may answer; never in production.")
    environment: Literal["production", "development", "test"] = Field(
        default="production",
        validation_alias=also("SCANMILL_ENV", "FLASK_ENV"),
        description="Where this runs; production loads no mock.",
    )

    @property
    def pack_names(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.packs.split(",") if name.strip())
