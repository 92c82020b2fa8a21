"""Settings of the pipeline room: what pictures are taken, and how their decoding is held in bounds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.setting_names import also
from pipeline.sniff import ImageLimits

_MIB = 1024 * 1024


class PipelineSettings(BaseSettings):
    """Read from ``SCANMILL_*``."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", populate_by_name=True, extra="ignore")

    environment: Literal["production", "development", "test"] = Field(
        "production", validation_alias=also("SCANMILL_ENV", "FLASK_ENV"), description="Fault plans need test."
    )
    fault_plan: str = Field(default="", description="Kill points to arm in the decode children; only in test.")

    max_upload_bytes: int = Field(default=20 * _MIB, ge=1, description="Size of the largest file taken.")
    image_max_pixels: int = Field(default=50_000_000, ge=1, description="Most pixels of a picture, as stored.")
    image_max_side: int = Field(default=12_000, ge=1, le=65_535, description="Longest side of a picture, in pixels.")
    image_min_side: int = Field(default=32, ge=1, description="Shortest side of a picture, in pixels.")
    image_max_aspect: float = Field(default=20.0, ge=1, description="Longest side over shortest side, at most.")

    decoder_socket: str = Field(
        default="", description="Unix socket of the host's decode server; empty starts a private one."
    )
    decoder_memory_bytes: int = Field(default=2048 * _MIB, ge=64 * _MIB, description="Address space of a decode child.")
    decoder_cpu_s: int = Field(default=20, ge=1, description="Processor seconds of a decode child.")
    decoder_deadline_s: float = Field(default=25.0, gt=0, description="Seconds after which a decode child is killed.")
    decoder_children: int = Field(default=8, ge=1, le=256, description="Decode children at a time; further ones wait.")

    @property
    def image_limits(self) -> ImageLimits:
        return ImageLimits(
            max_bytes=self.max_upload_bytes,
            max_pixels=self.image_max_pixels,
            max_side=self.image_max_side,
            min_side=self.image_min_side,
            max_aspect=self.image_max_aspect,
        )
