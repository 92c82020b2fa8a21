"""Networks for one finding: the same answers from Keras, ONNX and TorchScript, maps that add up, figures by person."""

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from training import cam, findings
from training.convert.torchscript import check_torchscript
from training.networks import Network
from training.place import Place
from training.recipes import skin_acne, skin_condition
from training.served import Served, run

SIZE = 64
IMAGES = np.random.default_rng(8).normal(0, 1, (5, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Network:
    keras.utils.set_random_seed(5)
    model = findings.build((4, 6, 8), 3, SIZE)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma * 1.3, beta + 0.1, mean + 0.2, variance * 0.7])
    return model


@pytest.fixture(scope="module")
def onnx(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorflow")
    from training.export import to_onnx

    file = tmp_path_factory.mktemp("out") / "small.onnx"
    to_onnx(Served(file, SIZE, cam.OUTPUTS, partial(cam.with_maps(network, "top_activation"), training=False)))
    return file


def test_as_many_convolutions_as_the_seed_has() -> None:
    for recipe, count, labels in ((skin_acne, 3, 2), (skin_condition, 4, 5)):
        finding = recipe.FINDING
        model = findings.build(finding.channels, len(finding.labels))
        kinds = [type(layer).__name__ for layer in model.layers]
        assert kinds.count("Conv2D") == count and kinds.count("Dense") == 1 and len(finding.labels) == labels


def test_every_finding_has_its_label() -> None:
    assert skin_acne.FINDING.labels == ("no_acne", "acne")
    assert {skin_acne.FINDING.label(each) for each in ("normal", "rosacea", "eczema", "pigmentation")} == {"no_acne"}
    assert [skin_condition.FINDING.label(each) for each in skin_condition.FINDING.labels] == [
        *("normal", "acne", "rosacea", "eczema", "pigmentation")
    ]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_and_onnx_hold_the_same_network(network: Network, onnx: Path) -> None:
    torch = pytest.importorskip("torch")
    from training import torchscript

    file = onnx.with_suffix(".pt")
    torchscript.write(network, file)
    gaps = torchscript.agree(file, onnx, IMAGES)
    assert set(gaps) == {"logits", "cam"} and max(gaps.values()) <= 1e-4
    check_torchscript(file.read_bytes())
    logits, maps = torch.jit.load(str(file))(torch.from_numpy(IMAGES).permute(0, 3, 1, 2))
    assert logits.shape == (5, 3) and maps.shape == (5, 3, 4, 4)
    dense = network.get_layer("head").get_weights()
    network.get_layer("head").set_weights([dense[0] * 1.01, dense[1]])
    torchscript.write(network, file)
    network.get_layer("head").set_weights(dense)
    with pytest.raises(ValueError, match="differ by"):
        torchscript.agree(file, onnx, IMAGES)


def test_a_layer_that_has_no_counterpart_is_named() -> None:
    pytest.importorskip("torch")
    from training import torchscript

    with pytest.raises(ValueError, match="has no counterpart"):
        torchscript.made(keras.layers.Softmax(name="end"))


def test_a_class_s_map_has_its_logit_as_mean(network: Network, onnx: Path) -> None:
    logits, maps = run(onnx, IMAGES, ("logits", "cam"))
    bias = network.get_layer("head").get_weights()[1]
    assert np.abs(maps.mean(axis=(1, 2)) + bias - logits).max() < 1e-4


def test_figures_by_hand() -> None:
    logits = np.array([[4, 0], [0, 4], [4, 0], [0, 3], [0, 1], [0, 2]], np.float32)
    labels, person = np.array([0, 1, 0, 1, 0, 1], np.float32), np.array([0, 0, 1, 1, 2, 2], np.float32)
    found = {metric.name: metric for metric in findings.figures(("no", "yes"), logits, labels, person)}
    assert found["balanced accuracy, painted"].value == pytest.approx((2 / 3 + 1) / 2)
    assert found["balanced accuracy, painted"].n == 3, "people, not pictures"
    assert found["recall, no"].value == pytest.approx(2 / 3) and found["recall, yes"].value == 1
    assert found["AUC, painted"].value == 1 and found["AUC, painted"].low == 1
    assert all(metric.low <= metric.value <= metric.high for metric in found.values())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_acne_begins_with_the_convolutions_of_condition(tmp_path: Path) -> None:
    place, acne, condition = Place(tmp_path, tmp_path), skin_acne.FINDING, skin_condition.FINDING
    alone = acne.begun(place)
    other = findings.build(condition.channels, len(condition.labels))
    other.save_weights(str(place.weights(condition.name)))
    begun = acne.begun(place)
    first = [layer for layer in other.layers if layer.weights]
    for layer, before in zip([layer for layer in begun.layers if layer.weights][:-1], first, strict=False):
        assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), before.get_weights(), strict=True))
    assert not np.array_equal(alone.layers[2].get_weights()[0], begun.layers[2].get_weights()[0])
