"""A `.pt` file, looked at before PyTorch sees it: is it TorchScript, and do its pickles name anything but tensors?

TorchScript is a zip of tensors, of pickles that PyTorch's C++ reader takes, and of code in a small language of its
own. A checkpoint (`torch.save`) is a zip, too, and its pickle runs whatever it names when it is loaded: CVE-2025-32434
passed even ``weights_only``. Only `pickletools` reads pickles here; nothing is unpickled.
"""

from __future__ import annotations

import pickletools
import re
from typing import Final

from pipeline.errors import ModelRefused
from training.convert.archives import Archive

MAX_PICKLE: Final = 64 * 2**20
MAX_CODE: Final = 16 * 2**20
_TENSORS: Final = {
    "torch._utils": {"_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_qtensor"},
    "torch.jit._pickle": {
        "build_intlist",
        "build_tensorlist",
        "build_doublelist",
        "build_boollist",
        "restore_type_tag",
    },
    "collections": {"OrderedDict"},
    "torch": {
        *("FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "IntStorage"),
        *(
            "ShortStorage",
            "CharStorage",
            "ByteStorage",
            "BoolStorage",
            "QInt8Storage",
            "QUInt8Storage",
            "QInt32Storage",
        ),
        *("per_tensor_affine", "per_channel_affine"),
    },
}
_RUNS: Final = ("INST", "OBJ", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
"""Ways of a pickle to name something that TorchScript's writer never takes."""
_MEMBER: Final = re.compile(r"[^/]+/((data|constants|traced_inputs)\.pkl|version|byteorder|\.(data/serialization_id|format_version|"
                            r"storage_alignment)|(data|constants|traced_inputs)/[\w.]+|code/.+\.py(\.debug_pkl)?|extra/[\w./-]+)")  # fmt: skip
_REACHES_OUT: Final = re.compile(r"\bfrom_file\b|\bops\.(?!prim\b|prims\b|aten\b)\w+|\btorch\.(?:save|load)\b")


def check_torchscript(content: bytes) -> None:
    """Raise ModelRefused unless these bytes are a TorchScript archive whose pickles hold tensors only."""
    if not content.startswith(b"PK"):
        raise ModelRefused("it is a plain pickle, which runs code when it is loaded; save with torch.jit.save")
    archive = Archive(content)
    inside = {name.partition("/")[2] for name in archive.names}
    if "constants.pkl" not in inside or not any(name.startswith("code/") for name in inside):
        raise ModelRefused("it is a checkpoint (a pickle that runs code), not TorchScript; save with torch.jit.save")
    if len({name.partition("/")[0] for name in archive.names}) != 1:
        raise ModelRefused("it is an archive of several folders, which TorchScript never is")
    for name in archive.names:
        if not name.endswith("/") and not _MEMBER.fullmatch(name):
            raise ModelRefused(f"it holds {ascii(name)[:80]}, which is no part of TorchScript")
        if name.endswith("pkl"):
            check_pickle(archive.read(name, MAX_PICKLE))
        elif name.endswith(".py"):
            _check_code(archive.read(name, MAX_CODE))


def check_pickle(content: bytes) -> None:
    """Raise ModelRefused if this pickle names anything but tensors, lists and TorchScript's own classes."""
    try:
        for operation, argument, _ in pickletools.genops(content):
            if operation.name in _RUNS:
                raise ModelRefused(f"its pickle holds {operation.name}, with which it could run code")
            if operation.name == "GLOBAL" and not _harmless(str(argument)):
                raise ModelRefused(f"its pickle asks for {ascii(argument)[:60]}, which runs code")
    except ModelRefused:
        raise
    except Exception as error:  # pickletools raises whatever the broken opcode leads to
        raise ModelRefused("its pickle is damaged") from error


def _harmless(name: str) -> bool:
    module, _, what = name.partition(" ")
    return module.split(".")[0] == "__torch__" or what in _TENSORS.get(module, set())


def _check_code(content: bytes) -> None:
    if found := _REACHES_OUT.search(content.decode("utf-8", "replace")):
        raise ModelRefused(f"its TorchScript code calls {found[0]!a}")
