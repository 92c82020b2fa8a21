"""TorchScript (`.pt`) to ONNX, inside the child. The only file here that imports PyTorch, which is optional.

PyTorch's exporter of TorchScript graphs needs no further package; the newer one takes Python modules only.
"""

from __future__ import annotations

import io
from typing import Any, Final

import torch

from pipeline.errors import ModelRefused
from training.convert.trial import batch_of, noise, one_by_one, spec_of
from training.convert.wire import Frame

OPSET: Final = 17
_FORBIDDEN: Final = frozenset({"aten::from_file", "aten::save", "prim::PythonOp", "prim::rpc_async", "prim::rpc_sync"})
_SPACES: Final = frozenset({"aten", "prim", "onnx"})


def rehearse() -> None:
    """Script, save and convert a network of ours."""
    network = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU()),
        *(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(2, 2), torch.nn.Softmax(1)),
    )
    kept = io.BytesIO()
    torch.jit.save(torch.jit.trace(network.eval(), torch.zeros(1, 3, 8, 8)), kept)
    answer(Frame({"input": {"size": [8, 8]}}, {"0": noise()[0]}, {"model": kept.getvalue()}))


def answer(request: Frame) -> Frame:
    """Convert, and say what the original answers to the request's pictures. Raises ModelRefused."""
    network = torch.jit.load(io.BytesIO(request.files["model"]), map_location="cpu").eval().float()
    _check_operators(network)
    shape = [None, 3, None, None]
    spec = spec_of({**request.facts["input"], "layout": "NCHW"}, {"name": "image", "dtype": "float32", "shape": shape})
    batch = batch_of(list(request.arrays.values()), spec)
    with torch.inference_mode():
        found = one_by_one(lambda one: [each.numpy() for each in _flat(network(torch.from_numpy(one)))], batch)
    names = [f"output_{place}" for place in range(len(found))]
    facts = {
        "input": {"name": "image", "dtype": "float32", "shape": [None, 3, *spec.size]},
        "outputs": names,
        "by": f"torch {torch.__version__}",
    }
    return Frame(facts, dict(zip(names, found, strict=True)), {"onnx": _convert(network, spec.size, names)})


def _check_operators(network: Any) -> None:
    """Every operator of the whole graph: the standard ones, none that opens a file or calls back into Python."""
    kinds = {node.kind() for node in _nodes(network.inlined_graph)}
    strange = {kind for kind in kinds if kind.partition("::")[0] not in _SPACES or kind in _FORBIDDEN}
    if strange:
        raise ModelRefused(f"it uses the operators {sorted(strange)}")


def _nodes(block: Any) -> Any:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _flat(found: Any) -> list[Any]:
    """One tensor or a tuple of them."""
    outputs = list(found) if isinstance(found, list | tuple) else [found]
    if not outputs or not all(isinstance(each, torch.Tensor) for each in outputs):
        raise ModelRefused("it answers with something else than tensors")
    return outputs


def _convert(network: Any, size: tuple[int, int], names: list[str]) -> bytes:
    kept = io.BytesIO()
    torch.onnx.export(
        network, (torch.zeros(1, 3, *size),), kept,
        dynamo=False, opset_version=OPSET, input_names=["image"], output_names=names,
        dynamic_axes={name: {0: "N"} for name in ("image", *names)},
    )  # fmt: skip
    return kept.getvalue()
