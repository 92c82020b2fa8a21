"""PatchCore against plain loops, and its ONNX form against NumPy."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from training import patchcore
from training.patchcore import Memory
from training.patchcore_onnx import FEATURES, with_memory
from training.remember import remember, side_of


def patches(count: int, seed: int = 0, channels: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, channels)).astype(np.float32)


def memory(size: int = 12) -> Memory:
    return Memory.of(patches(200), size, 3)


def test_a_coreset_is_without_repeats_and_reaches_what_is_far() -> None:
    given = np.concatenate([patches(300) * 0.01, [[50] * 5, [-50] * 5]]).astype(np.float32)
    chosen = patchcore.coreset(given, 4, 1)
    assert len(set(chosen)) == 4
    assert {300, 301} <= set(chosen)


def test_a_coreset_is_the_greedy_one() -> None:
    given = patches(80)
    chosen = patchcore.coreset(given, 10, 2)
    for number in range(1, 10):
        away = np.linalg.norm(given[:, None] - given[chosen[:number]][None], axis=2).min(axis=1)
        assert away[chosen[number]] == pytest.approx(away.max(), rel=1e-4)


def test_a_memory_is_the_same_again_and_another_with_another_seed() -> None:
    wide = patches(300, channels=patchcore.PROJECTED + 8)
    one, again, other = (Memory.of(wide, 20, seed).bank for seed in (3, 3, 4))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_coreset_never_has_more_than_there_is() -> None:
    assert sorted(patchcore.coreset(patches(6), 50, 0)) == list(range(6))


def test_distances_are_those_of_loops() -> None:
    one, other = patches(7, 1), patches(9, 2)
    slow = [[float(np.sqrt(((a - b) ** 2).sum())) for b in other] for a in one]
    assert patchcore.distances(one, other) == pytest.approx(np.array(slow), abs=1e-4)


def by_hand(known: Memory, grid: np.ndarray) -> tuple[np.ndarray, float]:
    height, width, _ = grid.shape
    heat, best = np.zeros((height, width)), (-1.0, grid[0, 0], 0)
    for y in range(height):
        for x in range(width):
            patch = grid[y, x] * known.scale
            away = [float(np.linalg.norm(patch - one)) for one in known.bank]
            heat[y, x] = min(away)
            if heat[y, x] > best[0]:
                best = (heat[y, x], patch, int(np.argmin(away)))
    _, patch, index = best
    order = np.argsort([np.linalg.norm(known.bank[index] - one) for one in known.bank], kind="stable")
    crowd = [float(np.exp(np.linalg.norm(patch - known.bank[k]))) for k in order[: patchcore.NEIGHBOURS]]
    return heat, best[0] * (1 - crowd[0] / sum(crowd))


def test_scores_are_those_of_loops() -> None:
    known, grids = memory(), patches(3 * 4 * 6, 9).reshape(3, 4, 6, 5)
    maps, found = patchcore.scores(known, grids)
    for grid, heat, score in zip(grids, maps, found, strict=True):
        slow, wanted = by_hand(known, grid)
        assert heat == pytest.approx(slow, abs=1e-4)
        assert score == pytest.approx(wanted, abs=1e-4)


def test_what_is_remembered_is_not_strange() -> None:
    known = memory()
    maps, found = patchcore.scores(known, (known.bank / known.scale).reshape(1, 3, 4, 5))
    assert maps.max() < 1e-2
    assert found[0] < 1e-2


def test_the_threshold_lets_the_share_of_normal_pictures_pass() -> None:
    scores = np.arange(100, dtype=np.float32)
    assert (scores <= patchcore.threshold(scores)).mean() == pytest.approx(0.95)


def passed_through(height: int, width: int, channels: int) -> onnx.ModelProto:
    """A feature network that gives its input back."""
    shape = ["N", height, width, channels]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    found = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, shape)
    node = helper.make_node("Identity", ["image"], [FEATURES])
    graph = helper.make_graph([node], "scanmill", [given], [found])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_onnx_form_says_the_same() -> None:
    known, grids = memory(), patches(3 * 4 * 6, 9).reshape(3, 4, 6, 5)
    model = with_memory(passed_through(4, 6, 5), known, (4, 6))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    score, heat = session.run(["score", "map"], {"image": grids})
    maps, found = patchcore.scores(known, grids)
    assert heat == pytest.approx(maps, abs=1e-3)
    assert score == pytest.approx(found, abs=1e-3)


@pytest.mark.row("S4.24")
def test_pictures_are_remembered_and_others_say_the_limits(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    pictures = [rng.integers(100, 140, (8, 8, 3)).astype(np.uint8) for _ in range(6)]
    onnx.save(passed_through(8, 8, 3), str(tmp_path / "features.onnx"))
    heard: list[tuple[int, int]] = []
    made = remember(
        pictures[:5], pictures[5:], tmp_path / "features.onnx", tmp_path / "own.onnx", 20, 1, lambda *s: heard.append(s)
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "own.onnx"), providers=["CPUExecutionProvider"])
    strange = np.full((1, 8, 8, 3), -0.9, np.float32)
    limits = made.thresholds
    assert session.run(["score"], {"image": strange})[0][0] > limits["score"] > limits["typical_score"] > 0
    assert limits["place"] > limits["typical_place"] > 0
    assert (made.patches, made.seen) == (20, 5 * 64) and heard == [(n, 6) for n in range(1, 7)]
    assert "20 of 320 patches, 6.25%" in made.told


def test_features_without_a_fixed_size_are_refused(tmp_path: Path) -> None:
    onnx.save(passed_through(8, 9, 3), str(tmp_path / "features.onnx"))
    with pytest.raises(ValueError, match="fixed S"):
        side_of(tmp_path / "features.onnx")
