"""What the eye and patch recipes draw and teach, and a PatchCore run from pictures to note, on a handful of made-up ones."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training import teacher
from training.budget import Budget, Stage
from training.data import WITH_NEGATIVES, only, pictures
from training.place import Place
from training.recipes import eyes, patchcore, patches


def write_set(data: Path, name: str, rows: list[dict[str, object]]) -> None:
    """Noise, of another colour for every `odd` row."""
    folder = data / name
    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(len(rows))
    for number, row in enumerate(rows):
        row |= {"file": f"{number}.png", "split": "train"}
        row.setdefault("orig_name", f"{number}.png")
        image = rng.integers(90, 130, (40, 60, 3)).astype(np.uint8)
        if row.pop("odd", False):
            image[10:30, 10:40] = (250, 10, 10)
            cv2.imwrite(str(folder / "train" / f"{number}_mask.png"), np.where(image[:, :, 0] == 250, 255, 0))
        cv2.imwrite(str(folder / "train" / f"{number}.png"), image)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_teacher(folder: Path) -> None:
    """A network with the names of the public one and hardly any weights."""
    rng = np.random.default_rng(0)
    kernels = {"wide": (96, 3, 16, 16), "long": (1280, 96, 1, 1)}
    weights = [numpy_helper.from_array(rng.normal(0, 1, s).astype(np.float32), n) for n, s in kernels.items()]
    nodes = [
        helper.make_node("Conv", ["image", "wide"], [patches.LAYER], strides=[16, 16]),
        helper.make_node("GlobalAveragePool", [patches.LAYER], ["mean"]),
        helper.make_node("Conv", ["mean", "long"], ["embedding"]),
    ]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 224, 224])
    shapes = {patches.LAYER: [1, 96, 14, 14], "embedding": [1, 1280, 1, 1]}
    found = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "teacher", [given], found, weights)
    folder.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(folder / teacher.FILE)
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("recipes")
    data = root / "data"
    write_set(
        data,
        "human_eye_cataract",
        [{"label": ("Normal", "Cataract")[k % 2], "group": f"{k // 2}x9"} for k in range(48)],
    )
    write_set(data, "human_eye_conjunctivitis", [{"label": "healthy_eye"} for _ in range(12)])
    write_set(data, "skin_type", [{"label": "dry"} for _ in range(12)])
    write_set(data, "cat_face_landmarks_pseudo", [{"source": "made"} for _ in range(12)])
    for name in WITH_NEGATIVES:
        rows = [{"label": "dog" if name == "cats_dogs" else "x", "orig_name": f"{k}.png"} for k in range(0, 240, 20)]
        write_set(data, name, [dict(row) for row in rows])
    tiles = [{"class": "MT_Crack" if k % 2 == 0 else "MT_Free", "odd": k % 2 == 0, "orig_name": f"exp1_num_{k * 1000}.jpg"}
             for k in range(90)]  # fmt: skip
    write_set(data, patchcore.TILES, tiles)
    shots = [{"hotspot": str(int(k % 3 == 0)), "odd": k % 3 == 0, "place": "line", "orig_name": f"Line ({k * 10}).JPG"}
             for k in range(90)]  # fmt: skip
    write_set(data, patchcore.THERMOGRAMS, shots)
    write_teacher(root / "teacher")
    (root / "out").mkdir()
    return Place(data, root / "out", 7, root / "teacher")


def test_a_batch_of_eyes_holds_both_labels_and_other_things(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes, "TIMES", 1)
    album = eyes.album(place, "train")
    assert album.taught.shape == (len(album.views), eyes.EMBEDDING)
    assert set(album.of_kind) == {"person", "thing", "cat", "dog", "skin"}
    first = eyes.drawn(np.random.default_rng(1), album, Stage(32, 1, 28, 1e-3))
    again = eyes.drawn(np.random.default_rng(1), album, Stage(32, 1, 28, 1e-3))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    pixels, eye, cataract, wanted = first
    assert pixels.shape == (28, 32, 32, 3)
    assert eye.sum() == 21
    assert set(cataract[eye == 1]) == {-1, 0, 1}
    assert set(cataract[eye == 0]) == {-1}
    assert not wanted[eye == 0].any()
    assert wanted[eye == 1].any(axis=1).all()


def test_without_a_teacher_nothing_is_drawn(place: Place) -> None:
    alone = Place(place.data, place.out)
    with pytest.raises(ValueError, match="teacher"):
        eyes.taught(alone, [])
    with pytest.raises(ValueError, match="teacher"):
        patches.taught(alone, [])


def test_views_of_patches_are_of_normal_pictures_and_their_teacher(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches, "VIEWS", {"photo": 4, "tile": 6, "thermogram": 4})
    album = patches.album(place)
    assert album.taught.shape == (14, patches.VIEW // 16, patches.VIEW // 16, 96)
    assert abs(float(album.taught.astype(np.float32).mean())) < 0.05
    red = [view for view in album.views if ((view[:, :, 2] > 200) & (view[:, :, 0] < 60)).mean() > 0.05]
    assert red == [], "no odd picture is among them"


def test_a_memory_is_made_scored_and_noted(place: Place) -> None:
    node = helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16])
    turned = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node,
        helper.make_node("Transpose", ["pooled"], ["embedding"], perm=[0, 2, 3, 1]),
    ]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 224, 224, 3])
    found = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 14, 14, 3])
    graph = helper.make_graph(turned, "features", [given], [found])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(place.out / patches.FILE))
    place.trained("patches", Budget(), ())
    patchcore.train(place, Budget())
    patchcore.score(place)
    notes = {
        name: json.loads((place.out / f"{name}.json").read_text()) for name in ("patch_features", "thermal_patchcore")
    }
    figures = {one["name"]: one for one in notes["patch_features"]["metrics"]}
    assert figures["image AUROC, magnetic_tile_full"]["value"] == 1.0
    assert figures["pixel AUROC, magnetic_tile_full"]["value"] > 0.9
    threshold = notes["thermal_patchcore"]["thresholds"]["score"]
    session = onnxruntime.InferenceSession(str(place.out / patchcore.FILE), providers=["CPUExecutionProvider"])
    items = only(pictures(place.data, patchcore.THERMOGRAMS), "test")
    for item in items:
        image = cv2.resize(item.pixels(), (224, 224)).astype(np.float32)[None] / 127.5 - 1
        assert (session.run(["score"], {"image": image})[0][0] > 2 * threshold) == (not patches.normal(item))
