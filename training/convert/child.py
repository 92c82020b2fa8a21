"""What one throw-away child does: load a runtime, rehearse, lock itself in, read one request, answer, be gone.

The request comes on standard input and the answer goes to standard output, both open files of the parent's; standard
error is the runtimes' chatter. Nothing of the stranger's file is read before the locks are shut.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from types import ModuleType
from typing import Final

from pipeline.errors import ScanmillError
from training.convert.confinement import EXIT_MEMORY, EXIT_UNLOCKED, Bounds, confine
from training.convert.wire import Frame

ENGINES: Final = {
    "hdf5": "training.convert.hdf5",
    "keras": "training.convert.from_keras",
    "torchscript": "training.convert.from_torch",
    "session": "training.convert.as_it_is",
    "lightgbm": "training.convert.as_numbers",
}
"""Each has ``rehearse()``, which makes its runtime load all it loads late, and ``answer(request)``."""

_NO_MEMORY: Final = ("Failed to allocate memory", "bad_alloc", "OOM when allocating", "can't allocate memory")
"""How ONNX Runtime, TensorFlow and PyTorch say it."""


def main() -> None:
    """`python -m training.convert.child ENGINE PARENT BOUNDS`; started by `training.convert.parent` only."""
    engine, parent, bounds = sys.argv[1], int(sys.argv[2]), Bounds(**json.loads(sys.argv[3]))
    reply = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the answer
    module = importlib.import_module(ENGINES[engine])
    module.rehearse()
    try:
        missing = confine(parent, bounds)
    except OSError as error:
        missing = [str(error)]
    if "seccomp" in missing:
        sys.stderr.write(f"not locked in: {missing}\n")
        os._exit(EXIT_UNLOCKED)
    try:
        answer = _answer(module)
        reply.write(answer.pack())
        reply.flush()
    except MemoryError:
        os._exit(EXIT_MEMORY)
    sys.stderr.flush()
    os._exit(0)  # runtimes' own endings touch files that are out of reach now


def _answer(module: ModuleType) -> Frame:
    request = Frame.unpack(sys.stdin.buffer.read())
    try:
        answer: Frame = module.answer(request)
    except ScanmillError as error:
        return Frame({"refused": ascii(str(error))[1:-1][:300]})
    except MemoryError:
        raise
    except Exception as error:
        if any(words in str(error) for words in _NO_MEMORY):
            raise MemoryError from error
        return Frame({"refused": ascii(f"it cannot be read: {type(error).__name__}: {error}")[1:-1][:300]})
    return answer


if __name__ == "__main__":
    main()
