"""The manifest entry of an accepted network: what its file says, and what its owner says."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from pipeline.errors import InvalidField
from pipeline.models.explanation import Layer
from pipeline.models.input_spec import InputSpec, ManifestError
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.room import FAMILIES
from training.convert.description import ROLES_WITH_LABELS, Description
from training.toml import document

SUFFIXES: Final = {"onnx": ".onnx", "tflite": ".tflite", "lightgbm": ".txt"}


def head_of(description: Description, found: Mapping[str, NDArray[Any]]) -> str:
    """The output that a classifier's labels belong to: the described one, else the only one with rows of numbers.

    Raises InvalidField if that is not one.
    """
    flat = [name for name, values in found.items() if values.ndim == 2]
    known = [name for name in ("logits", "probabilities") if name in flat]
    guess = known[0] if known else flat[0] if len(flat) == 1 else ""
    head = description.outputs.get("logits", description.outputs.get("probabilities", guess))
    if head not in flat:
        raise InvalidField(f"outputs: say which of {sorted(found)} is logits, with one row of numbers per picture")
    return head


def roles_of(description: Description, found: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Role → output name for a task: as described, else by the file's own names, else the only output there is.

    ``found``: the network's outputs [K,...] by name. Raises InvalidField.
    """
    family = FAMILIES[description.task]
    known = {**{name: name for name in found}, **anomalib(found), **description.outputs}
    if len(family.roles[0]) == len(found) == 1:
        known.setdefault(min(family.roles[0]), next(iter(found)))
    for wanted in family.roles:
        if wanted <= set(known):
            return {role: known[role] for role in sorted(wanted | set(description.outputs))}
    raise InvalidField(f"outputs: say which of {sorted(found)} are {sorted(family.roles[0])}")


def anomalib(found: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Roles of the outputs that anomalib's exports have. With labels its post-processor is inside, so they are shares."""
    if not {"pred_score", "anomaly_map"} <= set(found):
        return {}
    score, heat = ("share", "share_map") if "pred_label" in found else ("score", "map")
    return {score: "pred_score", heat: "anomaly_map"}


def check_task(description: Description, found: Mapping[str, NDArray[Any]]) -> None:
    """Raise InvalidField for a task that nothing serves, or outputs that the network does not have."""
    if description.task not in FAMILIES:
        raise InvalidField(f"task {description.task!r} is none of {sorted(FAMILIES)}")
    if strange := set(description.outputs.values()) - set(found):
        raise InvalidField(f"outputs: the network has {sorted(found)}, but not {sorted(strange)}")


def check_labels(description: Description, roles: Mapping[str, str], found: Mapping[str, NDArray[Any]]) -> None:
    """Raise InvalidField unless there is one label for each value of the output that has them."""
    role = _labelled(description, roles)
    if role is None or role == "scores":
        return
    values = found[roles[role]]
    count = values.shape[1] if values.ndim > 1 else 1
    if len(description.labels) != count:
        raise InvalidField(f"labels: there are {len(description.labels)}, but {roles[role]} has {count} values")


def _labelled(description: Description, roles: Mapping[str, str]) -> str | None:
    return next((role for role in ROLES_WITH_LABELS.get(description.task, ()) if role in roles), None)


def entry_of(
    description: Description,
    runtime: str,
    content: bytes,
    given: Mapping[str, Any],
    roles: Mapping[str, str],
    layer: Layer | None,
) -> dict[str, Any]:
    """The ``[[model]]`` table; ``given`` is its input. Raises InvalidField if it is not a valid entry of a manifest."""
    digest = hashlib.sha256(content).hexdigest()
    table: dict[str, Any] = {
        "name": description.name,
        "version": description.version,
        "file": f"{description.name}-{digest[:12]}{SUFFIXES[runtime]}",
        "sha256": digest,
        "bytes": len(content),
        "runtime": runtime,
        "licence": description.licence,
        "source": description.source,
        "task": description.task,
        "trained_on": list(description.trained_on),
        **({"trained_at": description.trained_at} if description.trained_at else {}),
        **({} if description.crop_scale is None else {"crop_scale": description.crop_scale}),
        "input": dict(given),
        "outputs": dict(roles),
    }
    role = _labelled(description, roles)
    if description.labels and role is not None:
        table["labels"] = {role: list(description.labels)}
    if description.thresholds:
        table["thresholds"] = dict(description.thresholds)
    if description.metrics:
        table["metrics"] = {name: dict(told) for name, told in description.metrics.items()}
    if description.groups:
        table["groups"] = {label: list(indices) for label, indices in description.groups.items()}
    if told := _explanation(description, roles, layer):
        table["explanation"] = told
    validated(table)
    return table


def _explanation(description: Description, roles: Mapping[str, str], layer: Layer | None) -> dict[str, str]:
    if "cam" in roles:
        return {"method": "grad-cam", "layer": str(layer or description.layer)}
    if description.explain == "grad-cam":
        raise InvalidField(
            "explain: the network does not end as Grad-CAM's closed form needs; occlusion fits every one"
        )
    if description.explain == "eigen-cam" and "features" not in roles:
        raise InvalidField("explain: eigen-cam needs a global average pooling over the last map")
    return {} if description.explain in ("auto", "none") else {"method": description.explain}


def validated(table: Mapping[str, Any]) -> ModelEntry:
    """The table as serving will read it, by way of a manifest. Raises InvalidField."""
    with tempfile.TemporaryDirectory(prefix="scanmill-entry-") as folder:
        manifest = Path(folder) / "manifest.toml"
        manifest.write_text(document([table]), encoding="utf-8")
        try:
            return read_manifest(manifest, "added")[str(table["name"])]
        except ManifestError as error:
            raise InvalidField(str(error).partition(": ")[2]) from error


def input_of(spec: InputSpec) -> dict[str, Any]:
    """The ``[model.input]`` table of a network over pictures."""
    table: dict[str, Any] = {
        "name": spec.name,
        "size": list(spec.size),
        "layout": spec.layout,
        "colour": spec.colour,
        "dtype": spec.dtype,
    }
    if spec.dtype != "uint8":
        table |= {"scale": spec.scale, "mean": list(spec.mean), "std": list(spec.std)}
    return table | ({} if spec.letterbox is None else {"letterbox": spec.letterbox})
