from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.imaging.codec import encode_png
from pipeline.stage import File, StageOutput
from pipeline.stages.decode_image import DecodeImage
from tests.unit.pipeline.items import answered, code, item, run

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)


def fetched(content: bytes) -> Any:
    return item(fetch_input=answered(StageOutput({}, {"original": File(content, "image/png")})))


def test_the_canonical_picture_is_the_picture() -> None:
    answer = run(DecodeImage(), [fetched(encode_png(PICTURE))])[0]
    assert np.array_equal(answer.artifacts["canonical"].pixels, PICTURE)
    assert answer.artifacts["canonical"].lossless
    assert answer.data == {
        "width": 100, "height": 60, "original_width": 100, "original_height": 60, "scale": 1.0, "format": "png",
    }  # fmt: skip


def test_a_long_side_is_bounded_and_the_scale_told() -> None:
    answer = run(DecodeImage(longest_side=50), [fetched(encode_png(PICTURE))])[0]
    assert answer.artifacts["canonical"].pixels.shape == (30, 50, 3)
    assert (answer.data["width"], answer.data["original_width"], answer.data["scale"]) == (50, 100, 0.5)


def test_a_broken_picture_harms_no_neighbour() -> None:
    good = encode_png(PICTURE)
    answers = run(DecodeImage(), [fetched(good), fetched(good[: len(good) // 2]), fetched(good)])
    assert [code(answer) for answer in answers] == ["ok", "TRUNCATED_IMAGE", "ok"]
