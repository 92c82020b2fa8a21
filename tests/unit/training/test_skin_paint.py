"""Painted skin and hair: repeatable, seen, inside 0..255, on skin only, in every tone."""

import cv2
import numpy as np
import pytest

from training import face_paint, hair_paint, portraits, skin_paint
from training.data import Floats, Pixels
from training.entries import skin_hair, skincare
from training.portraits import Canvas, Head

CONDITIONS = {**skin_paint.CONDITIONS, **skin_paint.FINDINGS, **skin_paint.TYPES}
PAINTERS = {painter.__name__: painter for painter in CONDITIONS.values() if painter is not skin_paint.plain}
HARMLESS = {painter.__name__: painter for painter, _ in face_paint.HARMLESS} | {"features": face_paint.features}


def disc(size: int, centre: tuple[int, int], radius: int) -> Pixels:
    return np.asarray(cv2.circle(np.zeros((size, size), np.uint8), centre, radius, 255, -1), np.uint8)


def head(tone: tuple[int, int, int] = (200, 150, 120)) -> Head:
    """A disc of skin below a cap of hair, on grey."""
    skin, cap = disc(96, (48, 50), 14), disc(96, (48, 42), 17)
    hair = np.asarray(np.where(skin > 0, 0, cap), np.uint8)
    image = np.full((96, 96, 3), 128, np.uint8)
    image[skin > 0], image[hair > 0] = tone, (60, 45, 35)
    return Head(image, skin, hair, (48.0, 50.0), 14.0)


def canvas(tone: tuple[int, int, int] = (200, 150, 120), seed: int = 0) -> Canvas:
    return portraits.canvas(np.random.default_rng(seed), head(tone), 128, (0.25, 0.3))


def changed(before: Floats, after: Floats) -> Floats:
    return np.asarray(np.abs(after - before).max(axis=2) > 6, np.float32)


@pytest.mark.parametrize("tone", [portraits.TONES[0], portraits.TONES[3], portraits.TONES[-1]])
@pytest.mark.parametrize("name", PAINTERS)
def test_a_condition_is_seen_on_skin_of_every_tone_and_nowhere_else(name: str, tone: tuple[int, int, int]) -> None:
    for seed in range(4):
        face = canvas(tone, seed)
        before = face.image.copy()
        painted = PAINTERS[name](np.random.default_rng(seed), face)
        seen = changed(before, painted.image)
        assert np.array_equal(face.image, before), "the input is left alone"
        assert painted.image.dtype == np.float32 and 0 <= painted.image.min() <= painted.image.max() <= 255
        assert seen[face.skin > 0.5].mean() > 0.004
        assert seen[face.skin < 0.01].sum() == 0


@pytest.mark.parametrize("name", HARMLESS)
def test_what_means_nothing_is_seen_too(name: str) -> None:
    face = canvas(seed=2)
    painted = HARMLESS[name](np.random.default_rng(1), face)
    assert not np.array_equal(painted.image, face.image) and painted.image.dtype == np.float32


@pytest.mark.parametrize("name", {**PAINTERS, **HARMLESS})
def test_the_same_seed_paints_the_same(name: str) -> None:
    painter = {**PAINTERS, **HARMLESS}[name]
    first, again, other = (painter(np.random.default_rng(seed), canvas()).image for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("kind", hair_paint.KINDS)
def test_hair_is_drawn_where_hair_is_and_never_over_the_face(kind: str) -> None:
    face = canvas()
    styled = hair_paint.styled(np.random.default_rng(3), face, kind)
    seen = changed(face.image, styled.image)
    assert seen[face.hair > 0.9].mean() > 0.3
    assert seen[cv2.erode(face.skin, np.ones((7, 7))) > 0.98].sum() == 0
    assert seen[-20:].sum() == 0, "far below the head"
    assert styled.hair.sum() >= face.hair.sum() * 0.7


def test_a_strand_swings_as_its_kind_does() -> None:
    face = canvas()
    swings = {}
    for kind, how in hair_paint.KINDS.items():
        lines = hair_paint.ways(np.random.default_rng(5), face, face.hair, how, 60)
        steps = np.diff(lines, axis=1)
        turn = np.diff(np.unwrap(np.arctan2(steps[..., 1], steps[..., 0]), axis=1), axis=1)
        swings[kind] = float(np.abs(turn).sum(axis=1).mean())
    assert swings["straight"] < swings["wavy"] < swings["curly"] and swings["straight"] < swings["coily"]


def test_a_bald_head_stays_as_it_is() -> None:
    face = canvas()
    bald = Canvas(face.image, face.skin, np.zeros_like(face.hair), face.centre, face.half)
    assert hair_paint.styled(np.random.default_rng(0), bald, "curly") is bald


def test_a_head_is_the_topmost_large_piece_of_skin() -> None:
    image, labels = np.zeros((300, 200, 3), np.uint8), np.zeros((300, 200), np.uint8)
    cv2.circle(labels, (100, 50), 12, portraits.SKIN, -1)
    cv2.circle(labels, (60, 200), 20, portraits.SKIN, -1)
    labels[30:38, 90:110] = portraits.HAIR
    found = portraits.head_of(image, labels)
    assert found is not None and 10 < found.half < 14
    assert found.skin.max() == found.hair.max() == 255 and found.image.shape[:2] == found.skin.shape
    labels[:100] = 0
    assert portraits.head_of(image, labels) is None, "hands and feet are no face"


def test_tones_reach_from_light_to_dark() -> None:
    means = [
        portraits.toned(np.random.default_rng(seed), canvas()).image[canvas().skin > 0.9].mean() for seed in range(40)
    ]
    assert min(means) < 90 and max(means) > 190


def test_painters_and_cards_name_the_same_labels() -> None:
    assert (
        tuple(skin_paint.TYPES) == skin_hair.HEADS["skin_type"] == ("normal", "dry", "oily", "combination", "sensitive")
    )
    assert tuple(hair_paint.KINDS) == skin_hair.HEADS["hair_type"] == ("straight", "wavy", "curly", "coily")
    assert tuple(skin_paint.CONDITIONS) == skin_hair.HEADS["condition"]
    by_name = {entry.name: entry for entry in skincare.SKINCARE}
    assert by_name["skin_condition"].labels["logits"] == tuple(skin_paint.FINDINGS)
    assert [len(at) for at in skin_hair.groups().values()] == [5, 4, 5]
