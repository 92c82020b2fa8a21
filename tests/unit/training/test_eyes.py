"""Views of eyes, the line that is fitted to an embedding, the trees that are calibrated, and the graph they become."""

from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training import eyes
from training.data import group_of, part_of
from training.eyes import Eyes
from training.eyes_scores import plain, without_borders
from training.onnx_cam import CAM, LOGITS
from training.recipes.cataract_fast import SETTINGS, calibrate
from training.recipes.cataract_strong import logistic, with_head


def eye(size: tuple[int, int] = (60, 90)) -> np.ndarray:
    """Skin with a dark disc in the middle and a white border."""
    image = np.full((*size, 3), (200, 150, 120), np.uint8)
    y, x = np.mgrid[: size[0], : size[1]]
    image[(y - size[0] / 2) ** 2 + (x - size[1] / 2) ** 2 < 150] = 20
    image[:, :8] = 255
    return image


@pytest.mark.row("S3.8")
def test_all_pictures_of_one_original_size_are_on_one_side() -> None:
    rows = [{"file": f"{k}.jpg", "orig_name": f"{k}.jpg", "group": "1024x615"} for k in range(9)]
    assert {group_of(eyes.CATARACT, row) for row in rows} == {"human_eye_cataract/1024x615"}


def test_exposures_of_one_tile_and_shots_of_one_place_are_on_one_side() -> None:
    names = [f"exp{k}_num_{10200 + 17 * k}.jpg" for k in range(6)]
    assert len({group_of("magnetic_tile_full", {"file": name}) for name in names}) == 1
    shots = [{"file": f"Line ({k}).JPG", "place": place} for k in (41, 48) for place in ("line", "substation")]
    assert len({group_of("thermal_substations", row) for row in shots}) == 2
    assert {part_of(str(k)) for k in range(60)} == {"train", "validation", "test"}


def test_views_are_seeded_and_show_the_eye() -> None:
    one, again = (eyes.view(np.random.default_rng(3), eye(), 64) for _ in range(2))
    assert np.array_equal(one, again)
    rng = np.random.default_rng(5)
    for _ in range(20):
        made = eyes.view(rng, eye(), 64)
        assert made.shape == (64, 64, 3)
        assert made[16:48, 16:48].min() < 90, "the pupil is never cut off"


def test_the_middle_has_no_border_and_an_ellipse_hides_what_it_should() -> None:
    assert (eyes.middle(eye()).min(axis=2) < 250).all()
    kept, hidden = (eyes.ellipse(eye(), 0.6, inside=inside) for inside in (False, True))
    assert (kept[0, 0] == 114).all()
    assert kept[30, 45].max() == 20
    assert (hidden[30, 45] == 114).all()
    assert (hidden[0, 0] == 255).all()


def test_rings_are_drawn_on_a_picture() -> None:
    assert eyes.rings(np.random.default_rng(1), eye(), 64).shape == (64, 64, 3)


def two_clouds(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    labels = (np.arange(count) % 3 == 0).astype(np.float32)
    return (rng.normal(0, 1, (count, 6)) + labels[:, None] * 1.5).astype(np.float32), labels


def test_a_line_tells_two_clouds_apart_and_shrinks() -> None:
    rows, labels = two_clouds()
    weights, offset = logistic(rows, labels, 0.003)
    assert (((rows @ weights + offset) > 0) == labels).mean() > 0.95
    assert np.linalg.norm(logistic(rows, labels, 0.3)[0]) < np.linalg.norm(weights)


def test_calibrated_trees_say_the_scaled_margin() -> None:
    rows, labels = two_clouds()
    booster = lightgbm.train(SETTINGS, lightgbm.Dataset(rows, labels), 20)
    before = np.asarray(booster.predict(rows, raw_score=True))
    scale, offset = calibrate(booster, rows, labels)
    again = lightgbm.Booster(model_str=booster.model_to_string())
    assert np.asarray(again.predict(rows, raw_score=True)) == pytest.approx(before * scale + offset, abs=1e-4)


def test_the_graph_gives_the_line_s_logits_and_a_map_of_them(tmp_path: Path) -> None:
    kernel = np.random.default_rng(1).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["features"], strides=[2, 2]),
        helper.make_node("Relu", ["features"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 11, 11, 3])
    found = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "scanmill", [given], [found], [numpy_helper.from_array(kernel, "kernel")])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(tmp_path / "e.onnx")
    )
    weights, offset = np.array([1.0, -2.0, 0.5, 3.0]), -0.25
    model = with_head(tmp_path / "e.onnx", weights, offset)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == ["embedding", CAM, LOGITS]
    image = np.random.default_rng(0).normal(0, 1, (2, 11, 11, 3)).astype(np.float32)
    embedding, heat, logits = session.run(["embedding", CAM, LOGITS], {"image": image})
    margin = embedding @ weights + offset
    assert logits[:, 1] - logits[:, 0] == pytest.approx(margin, abs=1e-4)
    assert (heat[..., 1] - heat[..., 0]).mean(axis=(1, 2)) == pytest.approx(margin - offset, abs=1e-4)


def test_figures_are_over_groups_and_also_without_borders() -> None:
    asked = Eyes([eye()] * 6, ["a", "a", "b", "b", "c", "d"], np.array([0, 0, 1, 1, 1, 0], np.float32))
    figures = {one.name: one for one in plain(asked, np.array([0.1, 0.6, 0.9, 0.8, 0.3, 0.2], np.float32))}
    assert figures["accuracy"].value == pytest.approx(4 / 6)
    assert figures["cataracts found"].value == pytest.approx(2 / 3)
    assert figures["normal eyes passed"].value == pytest.approx(2 / 3)
    assert {one.n for one in figures.values()} == {4}
    assert all(one.low <= one.value <= one.high for one in figures.values())
    assert all(len(images) == 6 for images in without_borders(asked).values())
