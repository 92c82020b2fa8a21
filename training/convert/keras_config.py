"""A Keras network's config, walked by us before Keras sees it: an allow list of names, and sizes within reason.

Keras' own safe mode was passed by several times (CVE-2025-1550, -8747, -9906; `.h5` ignores it, CVE-2025-9905), because
a config may name any importable thing. Here a name that is not on the list is refused before anything is imported.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import ModelRefused
from training.convert.keras_names import CLASSES, CODE, FUNCTIONS, KERAS_2, MODULES

MAX_TEXT: Final = 16 * 2**20
MAX_DEPTH: Final = 60
MAX_SIDE: Final = 2**20
"""The largest number of filters, units or pixels a side may have."""
MAX_SHAPE: Final = 2**28
_SHAPES: Final = frozenset({"batch_input_shape", "batch_shape", "input_shape", "target_shape", "build_input_shape"})
_SIZES: Final = _SHAPES | {
    *("shape", "output_shape", "units", "filters", "kernel_size", "pool_size", "size", "strides", "dilation_rate"),
    *("padding", "cropping", "height", "width", "num_heads", "key_dim", "value_dim", "head_dim", "groups"),
    *("input_dim", "output_dim", "n", "depth_multiplier"),
}


def checked(text: bytes) -> str:
    """The config as JSON, without what belongs to training. Raises ModelRefused for what is not on the lists."""
    if not text:
        raise ModelRefused("it holds weights but no network: save the whole model")
    if len(text) > MAX_TEXT:
        raise ModelRefused(f"its config is longer than {MAX_TEXT / 2**20:.0f} MiB")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelRefused("its config is not JSON") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise ModelRefused("its config describes no network")
    return json.dumps(_walk(config, 0))


def _walk(part: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ModelRefused("its config is nested too deep")
    if isinstance(part, list):
        return [_walk(each, depth + 1) for each in part]
    if not isinstance(part, dict):
        return part
    if "class_name" in part:
        _check_name(part)
    for key in _SIZES & set(part):
        _check_size(key, part[key])
    return {key: _walk(value, depth + 1) for key, value in part.items() if key != "compile_config"}


def _check_name(part: Mapping[str, Any]) -> None:
    name, module = part["class_name"], part.get("module")
    registered = part.get("registered_name")
    if isinstance(name, str) and name in CODE:
        raise ModelRefused(f"it carries code of its own in a {name} layer; nothing of it was run")
    if isinstance(name, str) and name in KERAS_2:
        raise ModelRefused(
            f"Keras 2 saved it with TensorFlow's own operators between its layers ({name}), which Keras 3 does not read; "
            "put layers such as Rescaling in their place and save it again"
        )
    if module is not None and not _is_keras(module):
        raise ModelRefused(f"it asks for {ascii(module)[:60]}, which is no part of Keras")
    if name == "function":
        if part.get("config") not in FUNCTIONS:
            raise ModelRefused(f"it asks for the function {ascii(part.get('config'))[:60]}")
        return
    if registered not in (None, name):
        raise ModelRefused(f"it needs a class of its author's, {ascii(registered)[:60]}")
    if not isinstance(name, str) or name not in CLASSES:
        raise ModelRefused(f"it is made of {ascii(name)[:60]}, which is no layer that is taken")


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and any(module == each or module.startswith(f"{each}.") for each in MODULES)


def _check_size(key: str, value: Any) -> None:
    sides = [side for side in _flat(value) if isinstance(side, int) and not isinstance(side, bool)]
    if any(abs(side) > MAX_SIDE for side in sides) or (key in _SHAPES and math.prod(sides) > MAX_SHAPE):
        raise ModelRefused(f"its config declares an absurd size: {key} is {ascii(value)[:60]}")


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [side for each in value for side in _flat(each)] if isinstance(value, list) else [value]
