"""U²-Net's kind of network: rembg's documented arithmetic always, rembg itself where it is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image
from skimage import data

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.saliency import SaliencyModel
from pipeline.models.sessions import OnnxSession
from tests.unit.pipeline import tiny_models as tiny

MEAN, STD, SIDE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 320
REMBG = importlib.util.find_spec("rembg") is not None


def network(seed: int = 3, flat: bool = False) -> bytes:
    """U²-Net from outside: float [N,3,320,320] to a sigmoid map [N,1,320,320]; random convolutions inside."""
    rng, node = np.random.default_rng(seed), helper.make_node
    weights = {
        "a": rng.normal(0, 0.3, (8, 3, 5, 5)).astype(np.float32),
        "b": (rng.normal(0, 0.3, (1, 8, 5, 5)) * (not flat)).astype(np.float32),
    }
    around = {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}
    content = tiny.graph(
        [node("Conv", ["image", "a"], ["one"], **around), node("Relu", ["one"], ["two"]),
         node("Conv", ["two", "b"], ["three"], **around), node("Sigmoid", ["three"], ["saliency"])],
        weights, ["saliency"], SIDE,
    )  # fmt: skip
    return planes(content)


def planes(content: bytes) -> bytes:
    """The same with its input as planes, as U²-Net has it."""
    model = onnx.ModelProto()
    model.ParseFromString(content)
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[1].dim_value, sides[3].dim_value = 3, SIDE
    return bytes(model.SerializeToString())


def table(content: bytes, name: str = "background", runtime: str = "onnx") -> str:
    made = tiny.entry(name, content, "saliency" if runtime == "onnx" else "rembg", SIDE, {"saliency": "saliency"})
    made = made.replace("scale = 255", f'scale = "max"\nlayout = "NCHW"\nmean = {list(MEAN)}\nstd = {list(STD)}')
    if runtime == "onnx":
        return made
    made = made.replace('"onnx"', '"rembg"').replace('name = "image"', 'name = "u2netp"')
    return made.replace('saliency = "saliency"', 'alpha = "alpha"')


@pytest.fixture(scope="module")
def content() -> bytes:
    return network()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> Any:
    manifest = tiny.write_pack(tmp_path_factory.mktemp("u2net"), [content], [table(content)])
    return ModelRoom([read_manifest(manifest, "mine")]).load("background")


def pictures() -> list[Any]:
    rng = np.random.default_rng(8)
    return [
        data.chelsea(), data.astronaut(), data.coffee()[:77, :301], rng.integers(0, 200, (500, 33, 3), np.uint8),
        np.ascontiguousarray(data.chelsea()[:320, :320]),
    ]  # fmt: skip


def documented(content: bytes, picture: Any) -> Any:
    """The arithmetic as rembg documents it, written down here once more, in its order and types."""
    small = np.array(Image.fromarray(picture).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    scaled = small / max(np.max(small), 1e-6)
    normal = np.zeros(scaled.shape)
    for channel in range(3):
        normal[:, :, channel] = (scaled[:, :, channel] - MEAN[channel]) / STD[channel]
    batch = normal.transpose(2, 0, 1)[None].astype(np.float32)
    found = OnnxSession(content).run("image", batch, ["saliency"])["saliency"][:, 0]
    stretched = np.squeeze((found - found.min()) / (found.max() - found.min()))
    mask = Image.fromarray((stretched * 255).astype(np.uint8))
    return np.array(mask.resize((picture.shape[1], picture.shape[0]), Image.Resampling.LANCZOS))


def test_the_alpha_is_the_documented_arithmetic_to_the_bit(model: Any, content: bytes) -> None:
    given = pictures()
    for picture, alpha in zip(given, model.predict(given), strict=True):
        assert alpha.shape == picture.shape[:2] and alpha.dtype == np.uint8
        assert np.array_equal(alpha, documented(content, picture))
        assert alpha.max() > 200 and alpha.min() < 50, "stretched"


def test_neighbours_change_nothing(model: Any) -> None:
    given = pictures()
    alone = [model.predict([picture])[0] for picture in given]
    for one, other in zip(alone, model.predict(given[::-1])[::-1], strict=True):
        assert np.array_equal(one, other)


def test_a_flat_map_is_no_matte(model: Any) -> None:
    flat = SaliencyModel(model.entry, OnnxSession(network(flat=True)))
    assert isinstance(flat.predict([data.chelsea()])[0], ModelOutputInvalid)


@pytest.mark.parametrize("change", [{"scale": 255.0}, {"letterbox": 114}])
def test_another_way_in_than_rembg_s_is_refused(model: Any, content: bytes, change: dict[str, Any]) -> None:
    entry: ModelEntry = replace(model.entry, input=replace(model.entry.input, **change))
    with pytest.raises(ModelLoadError, match="max"):
        SaliencyModel(entry, OnnxSession(content))


# --- rembg itself ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REMBG, reason="rembg is not installed: requirements/extras.in")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(600)
def test_our_session_and_rembg_give_the_same_alpha(
    model: Any, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As our own family, as the runtime ``rembg``, and as rembg used by itself."""
    (tmp_path / "u2net_custom.onnx").write_bytes(content)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    rembg = importlib.import_module("rembg")
    oracle = rembg.new_session("u2net_custom", model_path=str(tmp_path / "u2net_custom.onnx"))
    manifest = tiny.write_pack(tmp_path / "pack", [content], [table(content, "through_rembg", "rembg")])
    through = ModelRoom([read_manifest(manifest, "mine")]).load("through_rembg")
    given = pictures()
    for picture, ours, its in zip(given, model.predict(given), through.predict(given), strict=True):
        expected = np.array(rembg.remove(Image.fromarray(picture), session=oracle, only_mask=True))
        assert np.array_equal(ours, expected)
        assert np.array_equal(its, expected)


@pytest.mark.skipif(not REMBG, reason="rembg is not installed: requirements/extras.in")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(600)
def test_rembg_downloads_nothing(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its home is empty and its downloader a trap; a network that runs elsewhere, or that it has not, is refused."""
    module = importlib.import_module("pipeline.models.rembg_session")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))

    def trap(*_: object, **__: object) -> str:
        raise AssertionError("a download")

    monkeypatch.setattr("pooch.retrieve", trap)
    assert module.RembgSession(content, "u2netp").run("u2netp", np.ones((1, 20, 30, 3), np.uint8), ["alpha"])
    for name in ("atlascloud", "no_such_network"):
        with pytest.raises(ModelLoadError, match="no network"):
            module.RembgSession(content, name)
    with pytest.raises(ModelLoadError):
        module.RembgSession(b"garbage", "u2netp")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(REMBG, reason="rembg is installed")
def test_without_rembg_its_models_say_what_is_missing(content: bytes, tmp_path: Path) -> None:
    manifest = tiny.write_pack(tmp_path, [content], [table(content, "through_rembg", "rembg")])
    with pytest.raises(ModelLoadError, match="rembg"):
        ModelRoom([read_manifest(manifest, "mine")]).load("through_rembg")
