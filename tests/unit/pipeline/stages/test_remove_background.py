from __future__ import annotations

import numpy as np

from pipeline.models.room import ModelRoom
from pipeline.stages.remove_background import RemoveBackground
from tests.unit.pipeline.items import canonical, item, plain, run

STAGE = RemoveBackground(model="background")


def test_the_cutout_is_the_picture_with_an_alpha(tiny_room: ModelRoom) -> None:
    picture = plain(0, 0, 0, (100, 200))
    picture[:, :100] = 255
    answer = run(STAGE, [item(decode_image=canonical(picture))], tiny_room)[0]
    cutout = answer.artifacts["cutout"].pixels
    assert cutout.shape == (100, 200, 4) and answer.artifacts["cutout"].lossless
    assert (cutout[:, :95] == 255).all() and not cutout[:, 105:].any()
    assert abs(answer.data["coverage"] - 0.5) < 0.01


def test_no_colour_is_left_where_everything_was_cut_away(tiny_room: ModelRoom) -> None:
    picture = plain(0, 0, 0)
    picture[:64, :64] = 250
    picture[200:, 200:, 0] = 1
    cutout = run(STAGE, [item(decode_image=canonical(picture))], tiny_room)[0].artifacts["cutout"].pixels
    hidden = cutout[:, :, 3] == 0
    assert hidden.any() and not cutout[hidden].any()


def test_pictures_of_several_sizes_in_one_batch(tiny_room: ModelRoom) -> None:
    pictures = [plain(200, 200, 200, size) for size in ((40, 60), (300, 20), (64, 64))]
    answers = run(STAGE, [item(decode_image=canonical(picture)) for picture in pictures], tiny_room)
    assert [answer.artifacts["cutout"].pixels.shape[:2] for answer in answers] == [(40, 60), (300, 20), (64, 64)]
    assert np.ptp([answer.data["coverage"] for answer in answers]) < 0.001
