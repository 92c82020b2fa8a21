"""Writes the manifest's TOML: plain keys, then tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


def document(models: Iterable[Mapping[str, Any]]) -> str:
    """A manifest: one ``[[model]]`` after the other."""
    return "\n".join(f"[[model]]\n{_below(model, 'model')}" for model in models)


def _below(table: Mapping[str, Any], path: str) -> str:
    text = lines({key: value for key, value in table.items() if not isinstance(value, Mapping)})
    for name, inner in table.items():
        if isinstance(inner, Mapping):
            at = f"{path}.{key_of(name)}"
            text += f"\n[{at}]\n{_below(inner, at)}"
    return text


def lines(facts: Mapping[str, Any]) -> str:
    """`key = value` lines of TOML."""
    return "".join(f"{key_of(key)} = {value_of(value)}\n" for key, value in facts.items())


def key_of(key: str) -> str:
    """Bare where that is allowed."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else quoted(key)


def value_of(value: Any) -> str:
    """A TOML value; lists of texts go one to a line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        inside = ", ".join(value_of(item) for item in value)
        if len(inside) < 100:
            return f"[{inside}]"
        return "[\n" + "".join(f"    {value_of(item)},\n" for item in value) + "]"
    return repr(value)


def quoted(text: str) -> str:
    """A basic TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
