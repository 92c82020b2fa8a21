"""The preview shows a clear pupil and the finding, and no pupil that is unclear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need
from pipeline.stages.find_pupil import FindPupil
from pipeline.stages.render_eye import RenderEye
from tests.unit.pipeline.drawn_eyes import clouds, drawn_eye
from tests.unit.pipeline.items import SKIPPED, answered, canonical, ended, item, need, run

FOUND = need({"label": "cataract", "confidence": 0.9, "needs_review": False})
UNDECIDED = ended(RunState.ABSTAINED, "FINDING_UNDECIDED")


def shown(picture: Any, finding: Need, pupil: Need | None = None) -> Any:
    decoded = canonical(picture)
    found = pupil or answered(run(FindPupil(), [item(decode_image=decoded)])[0])
    [answer] = run(RenderEye(), [item(decode_image=decoded, find_pupil=found, classify_cataract=finding)])
    return answer.artifacts["preview"].pixels


def changed(picture: Any, finding: Need) -> Any:
    """Where the preview differs because of the pupil alone."""
    with_it, without = shown(picture, finding), shown(picture, finding, SKIPPED)
    return np.argwhere((with_it != without).any(axis=2))


def test_a_ring_is_drawn_about_the_pupil_and_nowhere_else() -> None:
    eye = drawn_eye(1)
    scale = 640 / eye.picture.shape[1]  # small pictures are enlarged for their labels
    at = changed(eye.picture, FOUND)
    away = np.hypot(at[:, 1] - eye.x * scale, at[:, 0] - eye.y * scale) / (eye.radius * scale)
    assert len(at) > 100 and away.min() > 0.7 and away.max() < 1.4


def test_an_unclear_pupil_is_not_drawn() -> None:
    assert len(changed(clouds(2), FOUND)) == 0


@pytest.mark.parametrize("other", [UNDECIDED, need({"label": "normal", "confidence": 0.9, "needs_review": False})])
def test_the_frame_has_the_finding_s_colour(other: Need) -> None:
    picture = drawn_eye(1).picture
    assert (shown(picture, FOUND) != shown(picture, other)).any()


def test_a_large_picture_is_shown_smaller() -> None:
    assert max(shown(drawn_eye(1, (1200, 1600)).picture, FOUND).shape) == 1024
