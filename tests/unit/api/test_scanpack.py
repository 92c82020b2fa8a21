"""A scanpack's parts by themselves: names, keys, and a ZIP of any length in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from api.scanpack import layout
from api.scanpack.archive import Archive
from api.scanpack.settings import SigningSettings
from api.scanpack.signing import BadKey, PublicKey, SigningKey, new_key

NASTY = [
    "../../etc/passwd",
    "C:\\x",
    "a/b.jpg",
    "",
    "кот.jpg",
    ".hidden",
    "x" * 500,
    "a\nb",
    "a" * 59 + "/..",
    "con",
    "-rf",
]


@pytest.mark.parametrize("custom_id", NASTY)
def test_every_name_is_one_that_verify_takes(custom_id: str) -> None:
    for name in (layout.picture(7, custom_id, "heatmap_left_eye", "image/png"), layout.model(f"m{custom_id}")):
        assert layout.SAFE.fullmatch(name), name
        assert ".." not in name.split("/")


def test_lines_with_names_alike_have_folders_of_their_own() -> None:
    names = {
        layout.picture(n, custom_id, "preview", "image/jpeg")
        for n, custom_id in enumerate(("a/b", "a_b", "a:b", "A_B"))
    }
    assert len({name.lower() for name in names}) == 4


def test_a_key_signs_and_only_its_own_half_says_so() -> None:
    key, other = SigningKey.read(new_key()), SigningKey.read(new_key())
    signature = key.sign(b"sums")
    assert len(signature) == 64
    assert key.public.signed(b"sums", signature)
    assert not key.public.signed(b"sumS", signature) and not other.public.signed(b"sums", signature)
    assert PublicKey.read(key.public.pem) == key.public and len(key.public.id) == 64


def test_a_key_is_given_as_text_or_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem, file = new_key(), tmp_path / "key.pem"
    file.write_text(pem)
    for value in (pem, f"\n{pem}\n", str(file)):
        monkeypatch.setenv("SCANMILL_SIGNING_KEY", value)
        key = SigningSettings().key
        assert key is not None and key.public == SigningKey.read(pem).public
    for nothing in (None, ""):
        monkeypatch.setenv("SCANMILL_SIGNING_KEY", nothing) if nothing is not None else monkeypatch.delenv(
            "SCANMILL_SIGNING_KEY"
        )
        assert SigningSettings().key is None


def test_what_is_no_key_is_refused_at_once_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = load_pem_private_key(new_key().encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    body = new_key().splitlines()[1]
    for wrong in (locked.decode(), curve.decode(), str(tmp_path / "none"), "word", f"-----BEGIN KEY-----\n{body}"):
        with pytest.raises(BadKey):
            SigningKey.read(wrong)
        monkeypatch.setenv("SCANMILL_SIGNING_KEY", wrong)
        with pytest.raises(ValidationError) as refused:
            SigningSettings()
        assert body not in str(refused.value) and wrong not in str(refused.value)
    with pytest.raises(BadKey):
        PublicKey.read("no key")


def sent(members: int, size: int) -> Iterator[bytes]:
    """The bytes of a signed archive of so many pictures of so many bytes."""
    content = b"x" * size
    with Archive() as archive:
        for number in range(members):
            yield archive.add(f"pictures/{number:06d}-cat/preview.jpg", content)
        yield from archive.stream("long.jsonl", (content for _ in range(100)))
        with archive.sums() as sums:
            SigningKey.read(new_key()).sign(sums)
        yield from archive.add_sums()
        yield from archive.end()


def test_memory_does_not_grow_with_the_number_of_members() -> None:
    """60,000 pictures: the standard library alone would keep half a kilobyte for each."""
    tracemalloc.start()
    total = sum(map(len, sent(60_000, 1_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 60_000 * 1_100
    assert peak < 16 * 2**20


def test_more_members_than_old_zip_can_count_are_read_again() -> None:
    sink = io.BytesIO(b"".join(sent(66_000, 1)))
    with ZipFile(sink) as pack:
        assert len(pack.namelist()) == 66_002
        assert pack.read("pictures/065999-cat/preview.jpg") == b"x"
        assert len(pack.read("SHA256SUMS").splitlines()) == 66_001
