"""Ask a public ImageNet network what it sees; its answers teach, its weights are never shipped."""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from training import augment
from training.data import Floats, Pixels

FILE: Final = "mobilenet_v2_1.0_224_fp32_assembled.onnx"
BATCH: Final = 32


def ask(folder: Path, images: Pixels, output: str, threads: int) -> Floats:
    """`embedding` [N,1280] or `logits` [N,1001] of square pictures [N,S,S,3]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / FILE), options, providers=["CPUExecutionProvider"])
    found = []
    for first in range(0, len(images), BATCH):
        block = np.stack([augment.squash(image, 224) for image in images[first : first + BATCH]])
        inputs = block.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        found.append(session.run([output], {"input": inputs})[0])
    return np.concatenate(found).astype(np.float32)
