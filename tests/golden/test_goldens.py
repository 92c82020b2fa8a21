"""The shipped networks answer their golden pictures. After retraining: ``scanmill models goldens models/starter``."""

from __future__ import annotations

import pytest

from pipeline.models import goldens
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT

PACK = PACKS_ROOT / "starter"
ENTRIES = read_manifest(PACK / "manifest.toml", "starter")
RECORDS = goldens.read(PACK)
ROOM = ModelRoom([ENTRIES])


def test_every_model_has_a_record_and_no_other_has() -> None:
    assert set(RECORDS) == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_shipped_model_reproduces_its_goldens(name: str) -> None:
    goldens.check_record(RECORDS[name], ENTRIES[name])
    goldens.hold(ROOM.load(name), RECORDS[name], ROOM.profile)


@pytest.mark.parametrize("name", ENTRIES)
def test_on_another_profile_the_samples_decide(name: str) -> None:
    assert goldens.hold(ROOM.load(name), RECORDS[name], "another profile") is False
