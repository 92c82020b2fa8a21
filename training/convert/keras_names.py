"""What a Keras network may be made of: names of Keras' own classes that hold numbers and compute, and nothing else.

Left out on purpose: ``Lambda`` and everything that carries code; layers that read files (vocabularies, saved models);
recurrent and text layers, which no picture needs.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NETWORKS: Final = frozenset({"Functional", "Model", "Sequential"})

LAYERS: Final = _words(
    "InputLayer Dense EinsumDense Activation Identity Dropout SpatialDropout1D SpatialDropout2D GaussianDropout "
    "GaussianNoise AlphaDropout ActivityRegularization "
    "Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D "
    "SeparableConv2D "
    "BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization "
    "SpectralNormalization Normalization Rescaling Resizing CenterCrop "
    "MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D AdaptiveAveragePooling2D AdaptiveMaxPooling2D "
    "ReLU LeakyReLU PReLU ELU Softmax ThresholdedReLU "
    "Flatten Reshape Permute RepeatVector ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D UpSampling1D "
    "UpSampling2D "
    "Add Subtract Multiply Average Maximum Minimum Concatenate Dot "
    "MultiHeadAttention GroupedQueryAttention Attention AdditiveAttention "
    "RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness RandomCrop "
    "RandomHeight RandomWidth"
)

OPERATIONS: Final = _words(
    "Abs Add Subtract Multiply Divide TrueDivide Negative Power Square Sqrt Rsqrt Exp Log Maximum Minimum Clip "
    "Mean Sum Max Min Reshape Transpose Squeeze ExpandDims Concatenate Stack Split Matmul Einsum Flip GetItem "
    "Relu Relu6 Sigmoid Silu Swish Gelu Softmax Softplus Tanh HardSigmoid HardSwish HardSilu LeakyRelu Elu Selu Cast"
)
"""Calls of ``keras.ops`` and operators in a functional network: ``x / 127.5 - 1``."""

PARTS: Final = _words(
    "Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal GlorotNormal GlorotUniform HeNormal HeUniform "
    "LecunNormal LecunUniform VarianceScaling Orthogonal OrthogonalInitializer Identity IdentityInitializer "
    "L1 L2 L1L2 OrthogonalRegularizer MaxNorm NonNeg UnitNorm MinMaxNorm "
    "DTypePolicy FloatDTypePolicy Policy SeedGenerator"
)
"""Initialisers, regularisers, constraints, types of numbers: what stands inside a layer's settings."""

FUNCTIONS: Final = _words(
    "relu relu6 leaky_relu elu selu gelu celu glu sigmoid hard_sigmoid hard_silu hard_swish silu swish mish softmax "
    "log_softmax softplus softsign tanh hard_tanh exponential linear"
)
"""Activations, where they are stored as functions rather than by name."""

VALUES: Final = frozenset({"__keras_tensor__", "__tuple__", "__ellipsis__", "__slice__", "__numpy__", "TensorShape"})
"""Keras' spellings of plain values."""

CODE: Final = frozenset(
    {"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "__typespec__"}
)
"""What carries code or loads it; refused with its own sentence."""

KERAS_2: Final = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""TensorFlow's operators between layers, as Keras 2 wrote them; Keras 3 does not know them."""

CLASSES: Final = NETWORKS | LAYERS | OPERATIONS | PARTS | VALUES
MODULES: Final = ("keras", "tf_keras", "tensorflow.keras", "builtins")
