"""Takes users' networks in: Keras, TorchScript, ONNX, TFLite to something that serving can trust. See docs."""

from training.convert.accept import Accepted, accept
from training.convert.confinement import Bounds
from training.convert.description import Description
from training.convert.proof import Proof

__all__ = ["Accepted", "Bounds", "Description", "Proof", "accept"]
