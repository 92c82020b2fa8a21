"""Salient-object networks of the U²-Net kind (Qin et al. 2020, arXiv:2005.09007), with rembg's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from PIL import Image

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.base import expect
from pipeline.models.matte import MatteModel

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session

LANCZOS = Image.Resampling.LANCZOS


class SaliencyModel(MatteModel):
    """Output ``saliency`` [N,1,h,w]; the alpha is what rembg makes of the same network, to the bit.

    LANCZOS down, divided by the picture's brightest value, normalised in double precision; the map stretched to 0..1
    and LANCZOS back. So there is always something in front: ask only of pictures that show a subject. A map that is
    the same everywhere cannot be stretched and is ModelOutputInvalid.
    """

    roles: ClassVar = (frozenset({"saliency"}),)

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        super().__init__(entry, session)
        if entry.input.scale != "max" or entry.input.layout != "NCHW" or entry.input.letterbox is not None:
            raise ModelLoadError(f'{entry.name}: input.scale must be "max", layout "NCHW", without letterbox')

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return np.stack([self._input(picture) for picture in pictures])

    def _input(self, picture: Pixels) -> Tensor:
        height, width = self.entry.input.size
        small = np.array(Image.fromarray(picture).resize((width, height), LANCZOS))
        values = small / max(float(small.max()), 1e-6)
        normal = (values - np.array(self.entry.input.mean)) / np.array(self.entry.input.std)
        return np.ascontiguousarray(normal.transpose(2, 0, 1), np.float32)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> Pixels:
        """Alpha, uint8 (height, width) of the picture."""
        found = outputs["saliency"]
        expect("saliency", found, (1, None, None), -1e6, 1e6)
        low, high = found.min(), found.max()
        if not high > low:
            raise ModelOutputInvalid(f"{self.entry.name}: the same everywhere, {low}")
        stretched = (found[0] - low) / (high - low)
        mask = Image.fromarray((stretched.clip(0, 1) * 255).astype(np.uint8))
        return np.asarray(mask.resize((picture.shape[1], picture.shape[0]), LANCZOS))
