"""`python -m training.backbone FILE --layer NAME --to features.onnx`: a layer of any ONNX network as features for PatchCore.

The network answers `embedding` [N,h,w,K] to `image` [N,S,S,3] in -1..1, each place averaged with its neighbours, as
`patch_features` does. Whoever uses it looks to its licence.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.compose import add_prefix
from onnx.utils import Extractor

from training.patchcore_onnx import FEATURES

INSIDE: Final = "inside/"
HALF: Final = (0.5, 0.5, 0.5)
"""Mean and deviation of pixels 0..1 that make them -1..1."""


def as_features(
    model: onnx.ModelProto,
    layer: str,
    side: int,
    mean: Sequence[float] = HALF,
    std: Sequence[float] = HALF,
    around: int = 3,
) -> onnx.ModelProto:
    """What lies before `layer`, a map [N,K,h,w], or [N,h,w,K] of a network that takes [N,S,S,3].

    `mean` and `std`: what the network wants of pixels 0..1, by channel. `around`: places on a side that are averaged,
    odd; 1 for a layer that is averaged already. Raises ValueError for a layer that it has not.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    (given,) = [value for value in model.graph.input if value.name not in constants]
    if layer not in {name for node in model.graph.node for name in node.output}:
        message = f"the network has no layer {layer}"
        raise ValueError(message)
    sides = [given.type.tensor_type.shape.dim[at] for at in range(4)]
    planes = sides[1].dim_value == 3
    for at in (0, 2, 3) if planes else (0, 1, 2):
        sides[at].dim_param = f"side_{at}"
    del model.graph.value_info[:]
    extracted = Extractor(onnx.shape_inference.infer_shapes(model)).extract_model([given.name], [layer])
    inner = add_prefix(extracted, INSIDE)  # its names may be ours
    graph = inner.graph
    scale = np.array(HALF) / np.array(std)
    shift = (np.array(HALF) - np.array(mean)) / np.array(std)
    for name, value in (("image_scale", scale), ("image_shift", shift)):
        graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    node = helper.make_node
    before = [
        node("Mul", ["image", "image_scale"], ["image_scaled"]),
        node("Add", ["image_scaled", "image_shift"], ["image_moved"]),
        node("Transpose", ["image_moved"], [INSIDE + given.name], perm=[0, 3, 1, 2] if planes else [0, 1, 2, 3]),
    ]
    after = [
        node("Transpose", [INSIDE + layer], ["layer_planes"], perm=[0, 1, 2, 3] if planes else [0, 3, 1, 2]),
        node("AveragePool", ["layer_planes"], ["layer_mean"], kernel_shape=[around] * 2, pads=[around // 2] * 4),
        node("Transpose", ["layer_mean"], [FEATURES], perm=[0, 2, 3, 1]),
    ]
    whole = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(whole)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", side, side, 3]))
    graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", None, None, None]))
    onnx.checker.check_model(inner)
    return inner


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.backbone", description=__doc__)
    parser.add_argument("file", type=Path, help="an ONNX network over pictures")
    parser.add_argument("--layer", required=True, help="name of the tensor: a map at stride 16 does best")
    parser.add_argument("--side", type=int, default=224, help="of the square that pictures become")
    parser.add_argument("--mean", type=float, nargs=3, default=HALF, help="of pixels 0..1, as the network wants it")
    parser.add_argument("--std", type=float, nargs=3, default=HALF)
    parser.add_argument("--around", type=int, default=3, help="places on a side that are averaged; of patch_features 1")
    parser.add_argument("--to", type=Path, required=True, help="file to write, *.onnx")
    given = parser.parse_args()
    made = as_features(onnx.load(given.file), given.layer, given.side, given.mean, given.std, given.around)
    onnx.save(made, given.to)


if __name__ == "__main__":
    main()
