"""Turn a stranger's bytes into the canonical picture that every later stage reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.imaging.decode import decode
from pipeline.numbers import rounded
from pipeline.stage import Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each


@dataclass(frozen=True, kw_only=True)
class DecodeImage(Stage):
    """8-bit sRGB, upright, without metadata, its longest side at most ``longest_side`` pixels.

    Each picture is decoded in a throw-away child, so one that breaks the decoder breaks nothing else.
    """

    kind: ClassVar = "decode_image"
    deadline_s: ClassVar = 600.0
    """Sixteen pictures, each of which may use its child's whole deadline, one after the other."""

    needs: tuple[str, ...] = ("fetch_input",)
    longest_side: int = 2048

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{width, height, original_width, original_height, scale, format}`` and the artifact ``canonical``.

        Widths and heights in pixels; ``scale`` is canonical over original, at most 1. Codes of pictures and decoder.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        decoded = decode(item.needs["fetch_input"].content("original"), longest_side=self.longest_side)
        height, width = decoded.pixels.shape[:2]
        data = {
            "width": width,
            "height": height,
            "original_width": decoded.original_width,
            "original_height": decoded.original_height,
            "scale": decoded.scale,
            "format": decoded.format,
        }
        return StageOutput(rounded(data), {"canonical": Picture(decoded.pixels)})
