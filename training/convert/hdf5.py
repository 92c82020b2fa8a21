"""Looks into an HDF5 file of a Keras network, inside the child: what it links to, where its numbers lie, its config.

A Keras file holds groups, plain arrays of numbers, and one JSON text. HDF5 can do more: name other files, run
filters out of libraries, claim arrays of any size while storing none. None of that is taken.
"""

from __future__ import annotations

import io
import math
from typing import Any, Final

import h5py

from pipeline.errors import ModelRefused
from training.convert.wire import Frame

MAX_OBJECTS: Final = 50_000
MAX_DEPTH: Final = 64
MAX_NUMBERS_BYTES: Final = 2 * 2**30
_FILTERS: Final = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def rehearse() -> None:
    """Write and read a file of ours, so that h5py has loaded everything."""
    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        file.create_dataset("group/numbers", data=[1.0], compression="gzip")
        file.attrs["model_config"] = "{}"
    answer(Frame({}, {}, {"model": kept.getvalue()}))


def answer(request: Frame) -> Frame:
    """The text of ``model_config`` (empty if there is none), and the bytes the numbers take. Raises ModelRefused."""
    with h5py.File(io.BytesIO(request.files["model"]), "r") as file:
        numbers = _walk(file, set(), 0)
        text = file.attrs.get("model_config", "")
    config = text.encode() if isinstance(text, str) else bytes(text)
    return Frame({"numbers": numbers}, {}, {"config": config})


def _walk(group: Any, seen: set[int], depth: int) -> int:
    """Bytes of all arrays below ``group``; each object is looked at once."""
    if depth > MAX_DEPTH:
        raise ModelRefused("its HDF5 groups are nested too deep")
    total = 0
    for name in group:
        _check_link(group, name)
        child = group[name]
        address = h5py.h5o.get_info(child.id).addr
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > MAX_OBJECTS:
            raise ModelRefused(f"its HDF5 part holds more than {MAX_OBJECTS:,} objects")
        total += _walk(child, seen, depth + 1) if isinstance(child, h5py.Group) else _array_bytes(child)
        if total > MAX_NUMBERS_BYTES:
            raise ModelRefused(f"its arrays declare more than {MAX_NUMBERS_BYTES / 2**20:,.0f} MiB")
    return total


def _check_link(group: Any, name: str) -> None:
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise ModelRefused(f"its HDF5 part links to another file ({name})")
    if not isinstance(link, h5py.HardLink):
        raise ModelRefused(f"its HDF5 part holds a soft link ({name})")


def _array_bytes(array: Any) -> int:
    if not isinstance(array, h5py.Dataset):
        raise ModelRefused("its HDF5 part holds something that is neither group nor array")
    if array.external:
        raise ModelRefused("its HDF5 part keeps an array in another file")
    if array.is_virtual:
        raise ModelRefused("its HDF5 part holds a virtual array, put together from other files")
    if array.dtype.kind not in "fiub":
        raise ModelRefused(f"its HDF5 part holds an array that is not of numbers ({array.dtype})")
    made = array.id.get_create_plist()
    if {made.get_filter(place)[0] for place in range(made.get_nfilters())} - _FILTERS:
        raise ModelRefused("its HDF5 part needs a filter from somebody's library")
    declared = math.prod(array.shape or ()) * array.dtype.itemsize
    if declared > 2**20 and declared > 1000 * array.id.get_storage_size():
        raise ModelRefused(f"an array declares {declared / 2**20:,.0f} MiB and stores next to nothing")
    return int(declared)
