"""A small Keras classifier as TorchScript, with the same weights; proved equal to its ONNX file. Needs PyTorch.

The file is an export for those who run PyTorch. It is never served: it is a pickle (`scanmill models add` converts one).
Input [N,3,S,S], outputs logits [N,C] and one map a class [N,C,h,w].
"""

from pathlib import Path
from typing import Any, Final

import torch
from keras import layers

from training import served
from training.data import Floats
from training.networks import Network

TOLERANCE: Final = 1e-4
"""Largest difference of an output, as a share of 1 + its size."""


class Mapped(torch.nn.Module):  # type: ignore[misc]
    """Convolutions, then the mean of every channel through one dense layer; and that layer at every place: the maps."""

    def __init__(self, body: Any, dense: Any) -> None:
        super().__init__()
        self.body, self.dense = body, dense

    def forward(self, image: Any) -> tuple[Any, Any]:
        """Logits and maps, without the bias in the maps."""
        features = self.body(image)
        maps = torch.einsum("nkhw,ck->nchw", features, self.dense.weight)
        return self.dense(features.mean(dim=(2, 3))), maps


def write(network: Network, file: Path) -> None:
    """Trace the network with its weights as they are. Raises `ValueError` for a layer that has no counterpart here."""
    parts = [made(layer) for layer in network.layers]
    *body, dense = [part for part in parts if part is not None]
    module = Mapped(torch.nn.Sequential(*body), dense).eval()
    size = network.input.shape[1]
    with torch.inference_mode():
        traced = torch.jit.trace(module, torch.zeros(1, 3, size, size))
    torch.jit.save(torch.jit.freeze(traced), str(file))


def made(layer: Any) -> Any:
    """The same layer in PyTorch; None for one that does nothing when it serves, or that `Mapped` does itself."""
    weights = [torch.from_numpy(array) for array in layer.get_weights()]
    match layer:
        case layers.InputLayer() | layers.Dropout() | layers.GlobalAveragePooling2D():
            return None
        case layers.ZeroPadding2D():
            return torch.nn.ZeroPad2d(layer.padding[0][0])
        case layers.Conv2D():
            kernel = weights[0].permute(3, 2, 0, 1).contiguous()
            found = torch.nn.Conv2d(*kernel.shape[1::-1], kernel.shape[2:], layer.strides, bias=False)
            found.weight.data = kernel
        case layers.BatchNormalization():
            found = torch.nn.BatchNorm2d(len(weights[0]), eps=layer.epsilon)
            for place, array in zip(("weight", "bias", "running_mean", "running_var"), weights, strict=True):
                getattr(found, place).data = array
        case layers.ReLU():
            return torch.nn.ReLU()
        case layers.MaxPooling2D():
            return torch.nn.MaxPool2d(2)
        case layers.Dense():
            found = torch.nn.Linear(*weights[0].shape)
            found.weight.data, found.bias.data = weights[0].T.contiguous(), weights[1]
        case _:
            raise ValueError(f"{layer.name}: {type(layer).__name__} has no counterpart here")
    return found


def agree(file: Path, onnx: Path, images: Floats) -> dict[str, float]:
    """Largest difference of each output over pictures [K,S,S,3]. Raises `ValueError` above the tolerance."""
    network = torch.jit.load(str(file), map_location="cpu")
    expected = served.run(onnx, images, ("logits", "cam"))
    with torch.inference_mode():
        logits, maps = network(torch.from_numpy(images).permute(0, 3, 1, 2))
    gaps = {}
    for name, got, wanted in zip(("logits", "cam"), (logits, maps.permute(0, 2, 3, 1)), expected, strict=True):
        gaps[name] = float((abs(got.numpy() - wanted) / (1 + abs(wanted))).max())
        if not gaps[name] <= TOLERANCE:
            raise ValueError(f"{file.name} and {onnx.name} differ by {gaps[name]:.2g} in {name}")
    print(f"{file.name} = {onnx.name} within {max(gaps.values()):.1g} on {len(images)} pictures")
    return gaps
