"""What lives for a time only is removed, from storage and from what clients see, and nothing else is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from db import retention, views
from db.results import StoredFile
from db.session import Database
from pipeline.errors import StorageUnavailable
from pipeline.stages.capture_debug import MEDIA_TYPE
from storage import Storage
from storage.keys import artifact_key
from storage.local import LocalStorage
from tasks.retention import sweep
from tests.ledger import Mill, ok

DAY = 86_400.0


@pytest.fixture
def mill(database: Database) -> Mill:
    return Mill(database)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "objects", b"k" * 32)


def kept(mill: Mill, storage: Storage, content: bytes, media_type: str, age_s: float) -> tuple[UUID, str]:
    """A scan whose first stage left a file of that age; the scan and the file's key."""
    scan = mill.submit(content.decode()).scan_id
    sha256 = hashlib.sha256(content).hexdigest()
    file = StoredFile(sha256, len(content), media_type)
    mill.complete([replace(ok(claim), artifacts={"debug": file}) for claim in mill.claim("fetch")])
    key = artifact_key(mill.tenant_id, sha256)
    storage.put(key, content, media_type)
    with mill.database.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE artifact SET created_at = clock_timestamp() - make_interval(secs => :age) WHERE sha256 = :it"
            ),
            {"age": age_s, "it": sha256},
        )
    return scan, key


def expired(mill: Mill, scan: UUID) -> bool:
    with mill.database.begin() as connection:
        found = views.artifact(connection, mill.tenant_id, scan, "debug")
    assert found is not None
    return found.expired


def test_old_debug_files_go_and_everything_else_stays(mill: Mill, storage: Storage) -> None:
    old, old_key = kept(mill, storage, b"old", MEDIA_TYPE, DAY + 60)
    young, young_key = kept(mill, storage, b"young", MEDIA_TYPE, DAY - 60)
    other, other_key = kept(mill, storage, b"other", "image/png", 10 * DAY)
    assert sweep(mill.database, storage, DAY) == 1
    assert [storage.head(key) is None for key in (old_key, young_key, other_key)] == [True, False, False]
    assert [expired(mill, scan) for scan in (old, young, other)] == [True, False, False]
    assert sweep(mill.database, storage, DAY) == 0


def test_a_file_that_storage_does_not_let_go_is_tried_again(mill: Mill, storage: Storage, tmp_path: Path) -> None:
    scan, key = kept(mill, storage, b"old", MEDIA_TYPE, DAY + 60)
    away = LocalStorage(tmp_path / "nothing" / "here", b"k" * 32)
    (tmp_path / "nothing").write_text("a file where a folder should be")
    with pytest.raises(StorageUnavailable):
        sweep(mill.database, away, DAY)
    assert not expired(mill, scan)
    storage.delete(key)  # as if control had been killed between the two steps
    assert sweep(mill.database, storage, DAY) == 1
    assert expired(mill, scan)


def test_the_media_type_is_the_stage_s(mill: Mill) -> None:
    assert retention.SHORT_LIVED == MEDIA_TYPE
