"""What control does beside its turns goes on whatever goes wrong, and ends with control."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.errors import StorageUnavailable
from workers import turning


def test_a_thread_survives_trouble_and_bugs_and_ends_when_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turning, "PAUSE_S", 0.01)
    monkeypatch.setattr(turning, "AWAY_S", 0.01)
    stopping, ends = threading.Event(), iter([True, StorageUnavailable("away"), False, KeyError("a bug"), True])

    def turn(left: Iterator[bool | Exception] = ends) -> bool:
        found = next(left, None)
        if found is None:
            stopping.set()
            return False
        if isinstance(found, Exception):
            raise found
        return found

    thread = turning.turning("sources", turn, stopping)
    thread.join(5)
    assert not thread.is_alive()
    assert [record.message for record in caplog.records] == ["sources: STORAGE_UNAVAILABLE", "sources failed"]
