"""Keras (`.keras`, `.h5`) to ONNX, inside the child. The only file here that imports TensorFlow.

The parent has read the config against its allow list and hands over that text, not the file's own: what is loaded is
what was looked at. Loading from memory is not in Keras' public face, hence ``keras.src``; the lock pins Keras.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import h5py
import keras
import tensorflow as tf
import tf2onnx
from keras.src.legacy.saving import legacy_h5_format
from keras.src.saving import saving_lib

from pipeline.errors import ModelRefused
from training.convert.trial import batch_of, noise, one_by_one, spec_of
from training.convert.wire import Frame

OPSET: Final = 17


def rehearse() -> None:
    """Make a network of ours in the working directory, and convert it from both forms."""
    inputs = keras.Input((8, 8, 3), name="image")
    layers = keras.layers
    hidden = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(2, 3)(layers.Rescaling(0.5)(inputs))))
    network = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(hidden)))
    network.save("rehearsal.keras")
    network.save("rehearsal.h5")
    with zipfile.ZipFile("rehearsal.keras") as archive:
        config, weights = archive.read("config.json"), archive.read("model.weights.h5")
    legacy = Path("rehearsal.h5").read_bytes()
    with h5py.File(io.BytesIO(legacy)) as file:
        legacy_config = str(file.attrs["model_config"]).encode()
    for form, text, content in (("keras", config, weights), ("h5", legacy_config, legacy)):
        answer(Frame({"form": form, "input": {}}, {"0": noise()[0]}, {"config": text, "model": content}))


def answer(request: Frame) -> Frame:
    """Convert, and say what the original answers to the request's pictures. Raises ModelRefused."""
    network = _load(str(request.facts["form"]), request.files["config"].decode(), request.files["model"])
    if len(network.inputs) != 1:
        raise ModelRefused(f"it has {len(network.inputs)} inputs; a network for pictures has one")
    given = network.inputs[0]
    shape, name = list(given.shape), _plain(given.name)
    spec = spec_of(request.facts["input"], {"name": name, "dtype": "float32", "shape": shape})
    batch = batch_of(list(request.arrays.values()), spec)
    names = _names(network)
    found = one_by_one(lambda one: _serve(network, one, names).values(), batch)
    content = _convert(network, [None, *batch.shape[1:]], name, names)
    facts = {
        "input": {"name": name, "dtype": "float32", "shape": [None, *batch.shape[1:]]},
        "outputs": names,
        "by": f"keras {keras.__version__}, tensorflow {tf.__version__}",
    }
    return Frame(facts, dict(zip(names, found, strict=True)), {"onnx": content})


def _load(form: str, config: str, content: bytes) -> Any:
    """The network, uncompiled: training settings, and what they could name, are not read."""
    if form == "keras":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as parts:
            parts.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
            parts.writestr("config.json", config)
            parts.writestr("model.weights.h5", content)
        return saving_lib.load_model(archive, compile=False, safe_mode=True)
    with h5py.File(io.BytesIO(content), "r+") as file:
        for key in list(file.attrs):
            if key not in ("keras_version", "backend"):
                del file.attrs[key]
        file.attrs["model_config"] = config
        return legacy_h5_format.load_model_from_hdf5(file, compile=False, safe_mode=True)


def _names(network: Any) -> list[str]:
    """One name for each output; Keras calls them after their layers, which may repeat."""
    names: list[str] = []
    for given in getattr(network, "output_names", [network.layers[-1].name]):  # a Sequential has one and no list
        name, number = _plain(given), 2
        while name in names:
            name, number = f"{_plain(given)}_{number}", number + 1
        names.append(name)
    return names


def _plain(name: str) -> str:
    """Without the ``:0`` and slashes of a graph."""
    return str(name).partition(":")[0].replace("/", "_")


def _serve(network: Any, batch: Any, names: list[str]) -> dict[str, Any]:
    found = tf.nest.flatten(network(batch, training=False))
    return dict(zip(names, found, strict=True))


def _convert(network: Any, shape: list[int | None], name: str, names: list[str]) -> bytes:
    """By way of a network with outputs of our naming: the converter loses constants of `Normalization` otherwise."""
    numbered = {f"scanmill_output_{place}": output for place, output in enumerate(network.outputs)}
    layers = {key: keras.layers.Identity(name=key)(output) for key, output in numbered.items()}
    signature = [tf.TensorSpec(shape, tf.float32, name=name)]
    model, _ = tf2onnx.convert.from_keras(keras.Model(network.inputs, layers), signature, opset=OPSET)
    for key, wanted in zip(numbered, names, strict=True):
        _rename(model, key, wanted)
    return bytes(model.SerializeToString())


def _rename(model: Any, old: str, new: str) -> None:
    """Another name for a tensor of the graph, in place."""
    for node in model.graph.node:
        for place, given in enumerate(node.input):
            node.input[place] = new if given == old else given
        for place, given in enumerate(node.output):
            node.output[place] = new if given == old else given
    for value in model.graph.output:
        value.name = new if value.name == old else value.name
