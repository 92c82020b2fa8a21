"""The encoder's vector, to the bit."""

from __future__ import annotations

import io

import numpy as np
import pytest

from pipeline.models.embedding import EmbeddingModel
from pipeline.stages.embed_image import EmbedImage
from tests.golden.cases import starter_room
from tests.unit.pipeline.drawn_eyes import drawn_eye
from tests.unit.pipeline.items import canonical, code, item, run

STAGE = EmbedImage(model="eye_encoder")


def test_the_vector_is_kept_to_the_last_bit_and_alone_as_in_company() -> None:
    pictures, room = [drawn_eye(seed).picture for seed in range(3)], starter_room()
    answers = run(STAGE, [item(decode_image=canonical(picture)) for picture in pictures], room)
    model = room.load("eye_encoder")
    assert isinstance(model, EmbeddingModel)
    for picture, answer in zip(pictures, answers, strict=True):
        kept = np.load(io.BytesIO(answer.artifacts["embedding"].content), allow_pickle=False)
        assert answer.data == {"features": 576} and kept.dtype == np.float32
        assert kept.tobytes() == np.asarray(model.predict([picture])[0]).tobytes()


def test_a_grid_of_vectors_is_no_vector() -> None:
    stage = EmbedImage(model="patch_features")
    [answer] = run(stage, [item(decode_image=canonical(drawn_eye(1).picture))], starter_room())
    assert code(answer) == "MODEL_OUTPUT_INVALID"


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(Exception, match="not a EmbeddingModel"):
        run(EmbedImage(model="eye_gate"), [item(decode_image=canonical(drawn_eye(1).picture))], starter_room())
