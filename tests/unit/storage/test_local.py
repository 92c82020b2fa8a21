"""What only a folder can get wrong: links, rights, crashes, full disks, and links that the API serves."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from pipeline.errors import InputCorrupt, InputMissing, PathNotAllowed, StorageUnavailable
from storage import files
from storage.local import LocalStorage

KEY = "t/x/a/ab/abcdef"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def storage(root: Path) -> LocalStorage:
    return LocalStorage(root, b"k" * 32)


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_an_object_is_a_plain_file_for_its_owner_only(storage: LocalStorage, root: Path):
    old = os.umask(0)
    try:
        storage.put(KEY, b"content", "image/png")
    finally:
        os.umask(old)
    assert (root / KEY).read_bytes() == b"content"
    assert {oct((root / path).stat().st_mode & 0o777) for path in files_below(root)} == {"0o600"}
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}


def test_nothing_unfinished_is_left(storage: LocalStorage, root: Path):
    for content in (b"one", b"two", b"two"):
        storage.put(KEY, content, "image/png")
    assert [path for path in files_below(root) if path.startswith(".drafts")] == []
    storage.delete(KEY)
    assert files_below(root) == [".lock"]


def test_the_same_put_again_does_not_touch_the_file(storage: LocalStorage, root: Path):
    storage.put(KEY, b"content", "image/png")
    before = (root / KEY).stat().st_ino
    storage.put(KEY, b"content", "image/png")
    assert (root / KEY).stat().st_ino == before


def test_a_linked_folder_leads_nowhere(storage: LocalStorage, root: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    (outside / "x").mkdir(parents=True)
    (outside / "x" / "secret").write_bytes(b"secret")
    root.mkdir()
    (root / "t").symlink_to(outside)
    with pytest.raises(InputMissing):
        storage.get("t/x/secret")
    assert storage.head("t/x/secret") is None
    with pytest.raises(StorageUnavailable):
        storage.put("t/x/mine", b"mine", "image/png")
    storage.delete("t/x/secret")
    assert [path.name for path in (outside / "x").iterdir()] == ["secret"]


def test_a_linked_file_is_neither_read_nor_written_through(storage: LocalStorage, root: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (root / "t").mkdir(parents=True)
    (root / "t" / "x").symlink_to(secret)
    with pytest.raises(InputMissing):
        storage.get("t/x")
    assert storage.head("t/x") is None
    storage.put("t/x", b"mine", "image/png")
    assert secret.read_bytes() == b"secret"
    assert storage.get("t/x") == b"mine"


def test_a_folder_that_turns_into_a_link_while_we_walk_is_not_followed(
    storage: LocalStorage, root: Path, tmp_path: Path
):
    """The race that a check before opening loses: swaps without pause while objects are put and read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"secret")
    root.mkdir()
    (root / "t").mkdir()
    (root / "other").symlink_to(outside)
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    over = threading.Event()

    def swap() -> None:
        here, there = os.fsencode(root / "t"), os.fsencode(root / "other")
        while not over.is_set():
            exchange(_AT_FDCWD, here, _AT_FDCWD, there, _RENAME_EXCHANGE)

    swapping = threading.Thread(target=swap)
    swapping.start()
    read, tried, refused, until = set(), 0, 0, time.monotonic() + 30
    while (tried < 500 or refused < 5) and time.monotonic() < until:
        tried += 1
        try:
            storage.put("t/x", b"mine", "image/png")
            read.add(storage.get("t/x"))
        except (InputMissing, InputCorrupt, StorageUnavailable):
            refused += 1
    over.set()
    swapping.join()
    assert refused >= 5
    assert read <= {b"mine"}
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("x", b"secret")]


def test_what_is_no_file_is_no_object(storage: LocalStorage, root: Path):
    (root / "t").mkdir(parents=True)
    os.mkfifo(root / "t" / "pipe")
    for key in ("t/pipe", "t"):
        with pytest.raises(InputMissing):
            storage.get(key)
        assert storage.head(key) is None


@pytest.mark.parametrize("key", [".about/x", ".drafts/x", ".lock", ".hidden"])
def test_names_of_ours_are_no_keys(storage: LocalStorage, key: str):
    with pytest.raises(PathNotAllowed):
        storage.put(key, b"x", "image/png")
    with pytest.raises(PathNotAllowed):
        storage.get(key)


def test_without_its_folder_storage_is_away_and_nothing_is_missing(storage: LocalStorage, root: Path):
    """A disk that is not mounted must not make every picture look deleted."""
    with pytest.raises(StorageUnavailable):
        storage.get(KEY)
    with pytest.raises(StorageUnavailable):
        storage.head(KEY)


def test_a_full_disk_leaves_the_old_object_and_no_remains(storage: LocalStorage, root: Path):
    storage.put(KEY, b"old", "image/png")
    before = files_below(root)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageUnavailable):
            storage.put(KEY, b"n" * 200_000, "image/png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert storage.get(KEY) == b"old"
    assert files_below(root) == before


def test_a_root_that_cannot_be_made_is_storage_away(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    storage = LocalStorage(tmp_path / "file" / "storage", b"k" * 32)
    with pytest.raises(StorageUnavailable):
        storage.check()


def test_bytes_and_note_change_under_one_lock(storage: LocalStorage, root: Path):
    """Two writers of different bytes may never mix their files: each waits until the other has put both."""
    storage.put(KEY, b"old", "image/png")
    writing = threading.Thread(target=storage.put, args=(KEY, b"new", "image/png"))
    deleting = threading.Thread(target=storage.delete, args=("t/y",))
    with files.locked(root, ".lock"):
        writing.start()
        deleting.start()
        writing.join(0.3)
        deleting.join(0.1)
        assert writing.is_alive() and deleting.is_alive()
        assert storage.get(KEY) == b"old"
    writing.join()
    deleting.join()
    assert storage.get(KEY) == b"new"


@pytest.mark.parametrize("note", [b"", b"{", b"[1]", b"7"])
def test_a_note_that_was_lost_leaves_the_object(storage: LocalStorage, root: Path, note: bytes):
    storage.put(KEY, b"content", "image/png")
    for path in (root / ".about").rglob("*.json"):
        path.write_bytes(note)
    assert storage.get(KEY, hashlib.sha256(b"content").hexdigest()) == b"content"
    info = storage.head(KEY)
    assert info is not None and (info.size, info.sha256) == (7, None)


WRITER = """
import sys
from pathlib import Path
from storage import files
from storage.local import LocalStorage

storage = LocalStorage(Path(sys.argv[1]), b"k" * 32)
print("started", flush=True)
while True:
    for letter in b"ab":
        storage.put("t/x", bytes([letter]) * 3_000_000, "image/png")
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_object(root: Path, storage: LocalStorage):
    storage.put("t/x", b"a" * 3_000_000, "image/png")
    for number in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE)
        assert writer.stdout is not None and writer.stdout.readline()
        time.sleep(0.02 + 0.017 * number)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert (root / "t" / "x").read_bytes() in {b"a" * 3_000_000, b"b" * 3_000_000}
        storage.put("t/x", b"a" * 3_000_000, "image/png")
        assert storage.get("t/x") == b"a" * 3_000_000


class TestLinks:
    """Signed paths; the clock is the test's."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [1_800_000_000.0]

    @pytest.fixture
    def storage(self, root: Path, now: list[float]) -> LocalStorage:
        return LocalStorage(root, b"k" * 32, clock=lambda: now[0])

    @staticmethod
    def parts(url: str) -> tuple[str, dict[str, str]]:
        split = urlsplit(url)
        return unquote(split.path.removeprefix("/v1/files/")), dict(parse_qsl(split.query))

    def link(self, storage: LocalStorage) -> tuple[str, dict[str, str]]:
        return self.parts(storage.signed_url(KEY, expires_s=60, media_type="image/png", filename="ü.png"))

    def test_it_is_a_path_that_names_what_it_serves(self, storage: LocalStorage):
        key, query = self.link(storage)
        assert key == KEY
        assert (query["type"], query["name"], query["expires"]) == ("image/png", "ü.png", "1800000060")
        assert storage.verify(key, query)

    def test_it_ends_to_the_second(self, storage: LocalStorage, now: list[float]):
        key, query = self.link(storage)
        now[0] += 59.9
        assert storage.verify(key, query)
        now[0] += 0.1
        assert not storage.verify(key, query)

    def test_another_key_signs_otherwise(self, storage: LocalStorage, root: Path):
        key, query = self.link(storage)
        assert not LocalStorage(root, b"x" * 32, clock=lambda: 0).verify(key, query)

    @pytest.mark.parametrize("field", ["expires", "type", "name", "signature"])
    def test_every_field_counts(self, storage: LocalStorage, field: str):
        key, query = self.link(storage)
        assert not storage.verify(key, {**query, field: query[field] + "0"})
        assert not storage.verify(key, {**query, field: ""})
        assert not storage.verify(key, {**query, field: "ä\ud800"})
        assert not storage.verify(key, {name: value for name, value in query.items() if name != field})

    def test_neither_another_key_nor_a_further_field_is_served(self, storage: LocalStorage):
        key, query = self.link(storage)
        assert not storage.verify(f"{key}0", query)
        assert not storage.verify(f"t/../{key}", query)
        assert not storage.verify(key, {**query, "further": "x"})
        assert not storage.verify(key, {})

    def test_fields_do_not_run_into_each_other(self, storage: LocalStorage):
        key, query = self.link(storage)
        assert not storage.verify(key, {**query, "type": "image/pn", "name": "gü.png"})
