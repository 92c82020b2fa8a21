"""Makes real networks in Keras and PyTorch, each with what it answers; run in a process of its own.

`python make_nets.py keras|torch FOLDER`; `expected.npz` holds pictures [K,h,w,3] of 0..255 and the answers by name.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

PICTURES = np.random.default_rng(3).integers(0, 256, (5, 32, 32, 3), np.uint8)


def of_keras(folder: Path) -> dict[str, Any]:
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(layers.Rescaling(1 / 255)(image))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    plain = keras.Model(image, layers.Dense(3, activation="softmax", name="chances")(x))

    inside = keras.Input((32, 32, 3))
    adapted = layers.Normalization()
    adapted.adapt(PICTURES.astype(np.float32) / 127.5 - 1)
    x = layers.Conv2D(16, 3, 2, "same", use_bias=False)(adapted(inside))
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(x)
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    squeezed = layers.Reshape((1, 1, 16))(layers.GlobalAveragePooling2D()(x))
    squeezed = layers.Conv2D(16, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="swish")(squeezed))
    body = keras.Model(inside, layers.Conv2D(24, 1)(layers.Multiply()([x, squeezed])))
    image = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(body(image / 127.5 - 1))
    efficient = keras.Model(image, layers.Dense(1, activation="sigmoid")(layers.Dropout(0.2)(x)))

    for network in (plain, efficient):
        for weight in network.weights:  # fresh batch norms would hide a wrong conversion
            if "moving" in weight.path or "gamma" in weight.path:
                weight.assign(np.random.default_rng(len(weight.path)).uniform(0.5, 1.5, weight.shape))
    plain.compile("adam", "categorical_crossentropy")
    plain.save(folder / "plain.h5")
    as_keras_2(folder / "plain.h5", folder / "old.h5")
    efficient.save(folder / "efficient.keras")
    for name, network in (("logits", logits(plain)), ("chances", plain)):
        (folder / f"{name}.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    batch = PICTURES.astype(np.float32)
    kernel, bias = plain.layers[-1].get_weights()
    return {
        "maps": maps(plain, batch), "plain": plain.predict(batch), "efficient": efficient.predict(batch),
        "kernel": kernel, "bias": bias, "logits": logits(plain).predict(batch),
    }  # fmt: skip


def as_keras_2(new: Path, old: Path) -> None:
    """The same file with its config as Keras 2.9 wrote it."""
    import h5py

    shutil.copy(new, old)
    with h5py.File(old, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            said = layer["config"]
            for key in (
                "optional",
                "renorm",
                "renorm_clipping",
                "renorm_momentum",
                "synchronized",
                "quantization_config",
            ):
                said.pop(key, None)
            if "batch_shape" in said:
                said["batch_input_shape"] = said.pop("batch_shape")
            for key, value in said.items():
                if isinstance(value, dict) and "class_name" in value:
                    said[key] = {"class_name": value["class_name"], "config": {}}
            said["dtype"] = "float32"
            histories = [part["config"]["keras_history"] for node in layer["inbound_nodes"] for part in node["args"]]
            layer["inbound_nodes"] = [[[*history, {}] for history in histories]] if histories else []
        for key in ("input_layers", "output_layers"):
            config["config"][key] = [config["config"][key]]
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = file["model_weights"].attrs["keras_version"] = "2.9.0"


def maps(network: Any, batch: Any) -> Any:
    """Grad-CAM before its ReLU of every logit at the convolution, from a tape: [K,h,w,C]."""
    import keras
    import tensorflow as tf

    convolution = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    start = network.layers.index(convolution) + 1
    with tf.GradientTape(persistent=True) as tape:
        z = keras.Model(network.input, convolution.output)(batch)
        tape.watch(z)
        x = z
        for layer in [*network.layers[start:-1], logits(network).layers[-1]]:
            x = layer(x)
        classes = [x[:, index] for index in range(x.shape[1])]
    found = []
    for one in classes:
        weights = tf.reduce_sum(tape.gradient(one, z), axis=(1, 2), keepdims=True)
        found.append(tf.reduce_sum(z * weights, axis=3))
    return tf.stack(found, axis=3).numpy()


def logits(network: Any) -> Any:
    import keras

    dense = network.layers[-1]
    found = keras.layers.Dense(3, name="logits")
    made = keras.Model(network.input, found(dense.input))
    found.set_weights(dense.get_weights())
    return made


def of_torch(folder: Path) -> dict[str, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1)
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3), nn.Softmax(1)),
    )
    network[1].running_mean.uniform_(0.1, 0.9)
    network.eval()
    batch = torch.from_numpy(PICTURES.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    torch.jit.save(torch.jit.trace(network, batch[:1]), folder / "traced.pt")
    torch.jit.save(torch.jit.script(network), folder / "scripted.pt")
    torch.save(network, folder / "eager.pt")
    torch.save(network.state_dict(), folder / "weights.pt")
    with torch.no_grad():
        return {"torch": network(batch).numpy()}


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    answers = {"keras": of_keras, "torch": of_torch}[sys.argv[1]](folder)
    np.savez(folder / "expected.npz", pictures=PICTURES, **answers)
