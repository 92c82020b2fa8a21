"""What every storage does, shown on a local folder and on a real S3 server."""

from __future__ import annotations

import hashlib
import random
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from pipeline.errors import FileTooLarge, InputCorrupt, InputMissing, PathNotAllowed, StorageUnavailable
from storage.base import LONGEST_LINK_S, ObjectInfo
from storage.keys import artifact_key, object_key
from tests.contracts.storage.conftest import Kept

TENANT = uuid.UUID("0190a5de-0000-7000-8000-000000000001")
CONTENT = bytes(range(256)) * 40


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key_of(content: bytes = CONTENT) -> str:
    return artifact_key(TENANT, digest(content))


def test_an_object_comes_back_as_it_was_put(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    assert kept.storage.get(key_of()) == CONTENT
    assert kept.storage.get(key_of(), digest(CONTENT)) == CONTENT
    assert kept.storage.head(key_of()) == ObjectInfo(len(CONTENT), "image/png", digest(CONTENT))


def test_an_empty_object_is_an_object(kept: Kept):
    kept.storage.put("t/empty", b"", "text/plain")
    assert kept.storage.get("t/empty", digest(b"")) == b""
    assert kept.storage.head("t/empty") == ObjectInfo(0, "text/plain", digest(b""))


def test_twenty_megabytes(kept: Kept):
    content = random.Random(7).randbytes(20 * 1024 * 1024)
    kept.storage.put(key_of(content), content, "image/png")
    assert digest(kept.storage.get(key_of(content), digest(content))) == digest(content)


def test_the_same_put_again_changes_nothing(kept: Kept):
    for _ in range(3):
        kept.storage.put(key_of(), CONTENT, "image/png")
    assert kept.storage.get(key_of(), digest(CONTENT)) == CONTENT
    assert kept.keys() == [key_of()]


def test_other_bytes_and_another_media_type_replace_the_old_ones(kept: Kept):
    kept.storage.put("t/same", b"old bytes", "image/png")
    kept.storage.put("t/same", b"new", "image/png")
    assert kept.storage.get("t/same") == b"new"
    kept.storage.put("t/same", b"new", "image/webp")
    assert kept.storage.head("t/same") == ObjectInfo(3, "image/webp", digest(b"new"))


def test_what_is_not_there_is_missing(kept: Kept):
    kept.storage.put("t/there", b"x", "image/png")
    assert kept.storage.head("t/absent") is None
    kept.storage.delete("t/absent")
    for key in ("t/absent", "t/there/below", "absent/altogether", f"t/{'n' * 300}"):
        assert kept.storage.head(key) is None
        with pytest.raises(InputMissing):
            kept.storage.get(key)


def test_what_was_deleted_is_missing(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    kept.storage.delete(key_of())
    kept.storage.delete(key_of())
    assert kept.storage.head(key_of()) is None
    assert kept.keys() == []
    with pytest.raises(InputMissing):
        kept.storage.get(key_of(), digest(CONTENT))


@pytest.mark.parametrize("known", [True, False], ids=["digest-given", "digest-noted"])
@pytest.mark.parametrize(
    "damaged",
    [CONTENT[:100] + b"?" + CONTENT[101:], CONTENT[:-1], CONTENT + b"x", b""],
    ids=["flipped", "truncated", "grown", "emptied"],
)
def test_damaged_bytes_are_never_handed_out(kept: Kept, damaged: bytes, known: bool):
    kept.storage.put(key_of(), CONTENT, "image/png")
    kept.damage(key_of(), damaged)
    with pytest.raises(InputCorrupt):
        kept.storage.get(key_of(), digest(CONTENT) if known else None)


def test_putting_again_heals_damaged_bytes(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    kept.damage(key_of(), CONTENT[:-7])
    kept.storage.put(key_of(), CONTENT, "image/png")
    assert kept.storage.get(key_of(), digest(CONTENT)) == CONTENT


def test_the_given_digest_decides(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    with pytest.raises(InputCorrupt):
        kept.storage.get(key_of(), digest(b"something else"))


def test_an_object_that_others_put_is_read_without_a_note(kept: Kept):
    key = object_key(TENANT, "ümlaut/å 😀.jpg")
    kept.foreign(key, b"theirs")
    assert kept.storage.get(key) == b"theirs"
    info = kept.storage.head(key)
    assert info is not None and info.size == 6 and info.sha256 is None
    with pytest.raises(InputCorrupt):
        kept.storage.get(key, digest(b"ours"))


def test_an_object_beyond_the_limit_is_not_read(kept: Kept):
    kept.storage.put("t/ten", b"0123456789", "image/png")
    assert kept.storage.get("t/ten", max_bytes=10) == b"0123456789"
    with pytest.raises(FileTooLarge):
        kept.storage.get("t/ten", max_bytes=9)


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "a//b", "a/../b", "..", "a/./b", "a\\b", "a\nb", "a\x00b", "k" * 1025]
)
def test_no_other_key_is_taken(kept: Kept, key: str):
    with pytest.raises(PathNotAllowed):
        kept.storage.put(key, b"x", "image/png")
    with pytest.raises(PathNotAllowed):
        kept.storage.get(key)
    with pytest.raises(PathNotAllowed):
        kept.storage.head(key)
    with pytest.raises(PathNotAllowed):
        kept.storage.delete(key)
    with pytest.raises(PathNotAllowed):
        kept.storage.signed_url(key, expires_s=60, media_type="image/png", filename="x.png")


def test_many_put_the_same_object_at_once(kept: Kept):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: kept.storage.put(key_of(), CONTENT, "image/png"), range(24)))
    assert kept.storage.get(key_of(), digest(CONTENT)) == CONTENT
    assert kept.keys() == [key_of()]


def test_many_put_different_bytes_under_one_key_and_one_of_them_wins_whole(kept: Kept):
    contents = [bytes([number]) * (5000 + number) for number in range(8)]

    def put(content: bytes) -> bool:
        try:
            kept.storage.put("t/contended", content, "image/png")
        except StorageUnavailable:  # not what it had stored: the loser is told, never taken for kept
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(put, contents))
    winner = kept.storage.get("t/contended")  # without a digest of ours: bytes and note must agree
    assert winner in contents
    assert kept.storage.head("t/contended") == ObjectInfo(len(winner), "image/png", digest(winner))


def test_a_link_downloads_the_object_as_an_attachment(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    url = kept.storage.signed_url(key_of(), expires_s=60, media_type="image/png", filename="heat map.png")
    answer = kept.follow(url)
    assert (answer.status, answer.content, answer.media_type) == (200, CONTENT, "image/png")
    assert answer.disposition.startswith("attachment; ") and "heat map.png" in answer.disposition


@pytest.mark.parametrize("filename", ["größe 😀.png", 'a"; filename="b.html', "a\\b;c%41.png", "名前.jpg"])
def test_a_link_carries_any_readable_filename(kept: Kept, filename: str):
    key = object_key(TENANT, "ümlaut/å 100%+&?=😀.jpg")
    kept.storage.put(key, CONTENT, "image/jpeg")
    answer = kept.follow(kept.storage.signed_url(key, expires_s=60, media_type="image/jpeg", filename=filename))
    assert (answer.status, answer.content) == (200, CONTENT)
    assert filename in answer.disposition or answer.disposition.endswith(f"''{quote(filename, safe='')}")
    assert answer.disposition.count('"') in {0, 2} or filename in answer.disposition.removeprefix("attachment; ")


def changed(url: str, wanted: str) -> str:
    """The link with the value of one parameter changed."""
    parts = urlsplit(url)
    query = [
        (
            name,
            re.sub(r"^.", lambda letter: "1" if letter[0] != "1" else "2", value) if wanted in name.lower() else value,
        )
        for name, value in parse_qsl(parts.query)
    ]
    assert query != parse_qsl(parts.query)
    return parts._replace(query=urlencode(query)).geturl()


@pytest.mark.parametrize("field", ["expires", "type", "name|disposition", "signature"])
def test_a_link_that_was_touched_is_refused(kept: Kept, field: str):
    kept.storage.put(key_of(), CONTENT, "image/png")
    url = kept.storage.signed_url(key_of(), expires_s=60, media_type="image/png", filename="x.png")
    local, _, in_bucket = field.partition("|")
    wanted = in_bucket if in_bucket and url.startswith("http") else local
    assert kept.follow(url).status == 200
    assert kept.follow(changed(url, wanted)).status == 403


def test_a_link_opens_no_other_object(kept: Kept):
    other = b"somebody else's"
    kept.storage.put(key_of(), CONTENT, "image/png")
    kept.storage.put(key_of(other), other, "image/png")
    url = kept.storage.signed_url(key_of(), expires_s=60, media_type="image/png", filename="x.png")
    assert kept.follow(url.replace(key_of(), key_of(other))).status == 403


def test_a_link_without_its_signature_is_refused(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    url = kept.storage.signed_url(key_of(), expires_s=60, media_type="image/png", filename="x.png")
    assert kept.follow(url.partition("?")[0]).status in {400, 401, 403}
    assert kept.follow(re.sub(r"&[^&]*[sS]ignature=[^&]*$", "", url)).status in {400, 401, 403}


def test_a_link_ends(kept: Kept):
    kept.storage.put(key_of(), CONTENT, "image/png")
    url = kept.storage.signed_url(key_of(), expires_s=1, media_type="image/png", filename="x.png")
    time.sleep(2.1)
    assert kept.follow(url).status == 403


@pytest.mark.parametrize(
    "change",
    [{"expires_s": 0}, {"expires_s": LONGEST_LINK_S + 1}, {"filename": "a\r\nSet-Cookie: x"}, {"media_type": "a\nb"}],
    ids=str,
)
def test_a_link_that_cannot_work_is_not_made(kept: Kept, change: dict[str, object]):
    good: dict[str, object] = {"expires_s": 60, "media_type": "image/png", "filename": "x.png"}
    with pytest.raises(ValueError):
        kept.storage.signed_url("t/x", **{**good, **change})  # type: ignore[arg-type]


def test_check_leaves_nothing_behind(kept: Kept):
    kept.storage.check()
    assert kept.keys() == []


def test_a_walk_gives_what_lies_below_from_any_place_on(kept: Kept):
    names = ["a-b.jpg", "a/b.jpg", "a/c/d.jpg", "b.jpg", "percent%2f.jpg", "ü +&.jpg"]
    for name in names:
        kept.foreign(object_key(TENANT, f"in/{name}"), name.encode())
    kept.foreign(object_key(TENANT, "inside.jpg"), b"a neighbour")
    kept.foreign(object_key(uuid.UUID(int=7), "in/x.jpg"), b"another tenant's")
    whole = list(kept.storage.walk(object_key(TENANT, "in")))
    assert sorted(whole) == sorted(names)
    for n, name in enumerate(whole):
        assert list(kept.storage.walk(object_key(TENANT, "in"), name)) == whole[n + 1 :]
    assert kept.storage.get(object_key(TENANT, f"in/{whole[0]}")) == whole[0].encode()
    assert list(kept.storage.walk(object_key(TENANT, "nothing"))) == []
    with pytest.raises(PathNotAllowed):
        list(kept.storage.walk("t/../x"))


def test_a_walk_goes_on_behind_the_first_page(kept: Kept):
    def put(n: int) -> None:
        kept.foreign(object_key(TENANT, f"many/{n:05}.jpg"), b"x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(1_005)))
    assert list(kept.storage.walk(object_key(TENANT, "many"))) == [f"{n:05}.jpg" for n in range(1_005)]
