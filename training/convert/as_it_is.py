"""A file that is served as it is (`.onnx`, `.tflite`), first tried inside the child: C++ readers crash on bad files."""

from __future__ import annotations

from typing import Any

import onnx
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper

from pipeline.errors import ModelRefused
from training.convert.opened import open_session
from training.convert.trial import batch_of, noise, one_by_one, spec_of
from training.convert.wire import Frame


def rehearse() -> None:
    """Open and run a network of ours, so that ONNX Runtime has loaded everything."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 8, 8, 3])
    found = helper.make_tensor_value_info("found", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["found"])], "rehearsal", [image], [found])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    answer(Frame({"runtime": "onnx", "input": {}}, {"0": noise()[0]}, {"model": model.SerializeToString()}))


def answer(request: Frame) -> Frame:
    """What the network is and what it answers to the request's pictures. Raises ModelRefused or ModelLoadError."""
    runtime, content = str(request.facts["runtime"]), request.files["model"]
    session = open_session(runtime, content)
    given, names = _onnx_face(content) if runtime == "onnx" else _tflite_face(content)
    spec = spec_of(request.facts["input"], given)
    batch = batch_of(list(request.arrays.values()), spec)
    found = one_by_one(lambda one: session.run(spec.name, one, names).values(), batch)
    facts = {"input": {**given, "shape": [given["shape"][0], *batch.shape[1:]]}, "outputs": names, "by": runtime}
    return Frame(facts, dict(zip(names, found, strict=True)))


def _onnx_face(content: bytes) -> tuple[dict[str, Any], list[str]]:
    """Input (name, dtype, shape) and names of the outputs."""
    graph = onnx.load_from_string(content).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ModelRefused(f"it has {len(inputs)} inputs; a network for pictures has one")
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.UINT8):
        raise ModelRefused("its input is neither float32 nor uint8")
    shape = [side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim]
    dtype = "float32" if kind.elem_type == TensorProto.FLOAT else "uint8"
    return {"name": inputs[0].name, "dtype": dtype, "shape": shape}, [value.name for value in graph.output]


def _tflite_face(content: bytes) -> tuple[dict[str, Any], list[str]]:
    """The same of a TFLite file, whose shapes are all fixed."""
    interpreter = Interpreter(model_content=content)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1:
        raise ModelRefused(f"it has {len(inputs)} inputs; a network for pictures has one")
    dtype = inputs[0]["dtype"].__name__
    if dtype not in ("float32", "uint8", "int8"):
        raise ModelRefused(f"its input is {dtype}; float32, uint8 and int8 are taken")
    dtype = "uint8" if dtype == "uint8" else "float32"  # the session stores floats as the file wants them
    shape = [int(side) for side in inputs[0]["shape"]]
    return {"name": inputs[0]["name"], "dtype": dtype, "shape": shape}, [each["name"] for each in outputs]
