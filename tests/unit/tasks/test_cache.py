"""The worker's memory of storage: bounded, verified on the way in, and nobody else's."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputCorrupt, InputMissing
from pipeline.imaging.codec import encode_png
from storage.keys import artifact_key
from storage.local import LocalStorage
from tasks.cache import ArtifactReader

TENANT = uuid.uuid4()


@pytest.fixture
def storage(storage_dir: Path) -> LocalStorage:
    return LocalStorage(storage_dir, b"key")


def put(storage: LocalStorage, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    storage.put(artifact_key(TENANT, sha256), content, "text/plain")
    return sha256


def forget(storage: LocalStorage, sha256: str) -> None:
    storage.delete(artifact_key(TENANT, sha256))


def test_what_was_read_once_is_not_read_again(storage: LocalStorage) -> None:
    reader, sha256 = ArtifactReader(storage, 100), put(storage, b"cat")
    assert reader.content(TENANT, sha256) == b"cat"
    forget(storage, sha256)
    assert reader.content(TENANT, sha256) == b"cat"


def test_the_memory_is_bounded_and_the_least_used_goes_first(storage: LocalStorage) -> None:
    reader = ArtifactReader(storage, 10)
    first, second, third = (put(storage, bytes([n]) * 5) for n in range(3))
    for sha256 in (first, second, first, third):
        reader.content(TENANT, sha256)
    assert reader._size == 10
    for sha256 in (first, second, third):
        forget(storage, sha256)
    assert reader.content(TENANT, first) == b"\0" * 5
    assert reader.content(TENANT, third) == b"\2" * 5
    with pytest.raises(InputMissing):
        reader.content(TENANT, second)


def test_what_is_larger_than_the_memory_passes_through(storage: LocalStorage) -> None:
    reader = ArtifactReader(storage, 4)
    small, large = put(storage, b"cat"), put(storage, b"elephant")
    reader.content(TENANT, small)
    assert reader.content(TENANT, large) == b"elephant"
    assert reader._size == 3
    forget(storage, small)
    assert reader.content(TENANT, small) == b"cat"


def test_a_memory_of_nothing_remembers_nothing(storage: LocalStorage) -> None:
    reader, sha256 = ArtifactReader(storage, 0), put(storage, b"cat")
    reader.content(TENANT, sha256)
    forget(storage, sha256)
    with pytest.raises(InputMissing):
        reader.content(TENANT, sha256)


def test_spoilt_bytes_are_never_handed_out_nor_remembered(storage: LocalStorage, storage_dir: Path) -> None:
    reader, sha256 = ArtifactReader(storage, 100), put(storage, b"cat")
    path = storage_dir / artifact_key(TENANT, sha256)
    path.write_bytes(b"cut")
    with pytest.raises(InputCorrupt):
        reader.content(TENANT, sha256)
    path.write_bytes(b"cat")
    assert reader.content(TENANT, sha256) == b"cat"


def test_another_tenant_gets_nothing_out_of_it(storage: LocalStorage) -> None:
    reader, sha256 = ArtifactReader(storage, 100), put(storage, b"cat")
    reader.content(TENANT, sha256)
    with pytest.raises(InputMissing):
        reader.content(uuid.uuid4(), sha256)


def test_pixels_come_back_as_they_were_and_cannot_be_written_to(storage: LocalStorage) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    sha256 = put(storage, encode_png(pixels))
    reader = ArtifactReader(storage, 10_000)
    found = reader.pixels(TENANT, sha256)
    assert np.array_equal(found, pixels)
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = 9
    forget(storage, sha256)
    assert reader.pixels(TENANT, sha256) is found


def test_pixels_kept_by_the_stage_that_made_them_need_no_decoding(storage: LocalStorage) -> None:
    reader, pixels = ArtifactReader(storage, 10_000), np.ones((2, 2, 3), np.uint8)
    reader.keep_pixels(TENANT, "f" * 64, pixels)
    assert reader.pixels(TENANT, "f" * 64) is pixels
    with pytest.raises(InputMissing):
        reader.content(TENANT, "f" * 64)


def test_keeping_twice_is_counted_once(storage: LocalStorage) -> None:
    reader = ArtifactReader(storage, 100)
    for _ in range(3):
        reader.keep_content(TENANT, "f" * 64, b"cat")
    assert reader._size == 3
