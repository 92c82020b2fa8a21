"""Decoders that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pipeline.imaging.decode import Decoder
from tests.unit.pipeline.imaging.decoders import started


@pytest.fixture
def made() -> Iterator[Callable[..., Decoder]]:
    decoders: list[Decoder] = []

    def make(**settings: object) -> Decoder:
        decoders.append(started(**settings))
        return decoders[-1]

    yield make
    for decoder in decoders:
        decoder.close()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = started()
    yield decoder
    decoder.close()
