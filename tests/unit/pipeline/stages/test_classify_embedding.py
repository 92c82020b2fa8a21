"""Trees over a vector: probabilities, the threshold, and vectors that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.stages.classify_embedding import ClassifyEmbedding
from pipeline.stages.embed_image import EmbedImage
from tests.golden.cases import starter_room
from tests.unit.pipeline.drawn_eyes import drawn_eye
from tests.unit.pipeline.items import answered, canonical, code, item, run

ROOM = starter_room()
ENCODER = EmbedImage(model="eye_encoder")


def embedded(picture: Any) -> Any:
    return item(embed_image=answered(run(ENCODER, [item(decode_image=canonical(picture))], ROOM)[0]))


def test_an_embedding_is_classified() -> None:
    items = [embedded(drawn_eye(seed, milky=seed % 2 == 1).picture) for seed in range(4)]
    answers = run(ClassifyEmbedding(model="cataract_fast"), items, ROOM)
    for one in answers:
        assert set(one.data["probabilities"]) == {"normal", "cataract"}
        assert sum(one.data["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert one.data["confidence"] == one.data["probabilities"][one.data["likeliest"]]
    assert [one.data for one in answers] == [
        run(ClassifyEmbedding(model="cataract_fast"), [one], ROOM)[0].data for one in items
    ]


def test_below_the_threshold_it_is_uncertain_and_says_what_it_leans_to() -> None:
    stage = ClassifyEmbedding(model="cataract_fast", threshold=1.1)
    told = run(stage, [embedded(drawn_eye(0).picture)], ROOM)[0].data
    assert (told["label"], told["needs_review"]) == ("uncertain", True)
    assert told["likeliest"] in ("normal", "cataract")


@pytest.mark.parametrize("broken", [np.zeros(575, np.float32), np.full(576, np.nan, np.float32)])
def test_a_vector_that_is_short_or_not_finite_has_no_answer_and_harms_no_neighbour(broken: Any) -> None:
    good = embedded(drawn_eye(0).picture)
    answers = run(ClassifyEmbedding(model="cataract_fast"), [good, _holding(broken), good], ROOM)
    assert [code(one) for one in answers] == ["ok", "MODEL_OUTPUT_INVALID", "ok"]
    assert answers[0].data == answers[2].data


def _holding(vector: Any) -> Any:
    import io
    from dataclasses import replace

    file = io.BytesIO()
    np.save(file, vector)
    need = embedded(drawn_eye(0).picture).needs["embed_image"]
    return item(embed_image=replace(need, content=lambda _: file.getvalue()))
