"""Settings of the model room."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
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
    gpu_memory_fraction: float | None = Field(
        default=None,
        gt=0,
        le=1,
        validation_alias=also("SCANMILL_MODEL_GPU_MEMORY_FRACTION", "GPU_MEMORY_FRACTION"),
        description="Share of its GPU's memory that a slot's networks may take, in equal parts; none: no bound.",
    )
    gpu_memory_mb: int | None = Field(
        default=None, gt=0, description="Megabytes of the slot's GPU; its supervisor sets it."
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

    @model_validator(mode="after")
    def _share_of_what(self) -> Self:
        if self.device == "cuda" and self.gpu_memory_fraction is not None and self.gpu_memory_mb is None:
            raise ValueError("GPU_MEMORY_FRACTION needs SCANMILL_MODEL_GPU_MEMORY_MB: a share of what?")
        return self

    def gpu_bytes_of(self, networks: int) -> int | None:
        """Bytes of GPU memory for each of so many networks; None without a bound."""
        if self.gpu_memory_fraction is None or self.gpu_memory_mb is None:
            return None
        return int(self.gpu_memory_mb * 2**20 * self.gpu_memory_fraction / max(1, networks))

    @property
    def pack_names(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.packs.split(",") if name.strip())
