"""Ed25519 over the list of digests: the key that signs, and what verifies. RFC 8032, as `openssl pkeyutl` knows it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

ALGORITHM = "Ed25519"
_BEGINS = "-----BEGIN "


class BadKey(ValueError):
    """It is no key of this kind; the message says why, and holds nothing of the key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: what stands in a pack and at /v1/signing-key. ``id`` is SHA-256 of its DER form, hexadecimal."""

    pem: str
    id: str

    @classmethod
    def read(cls, text: str) -> PublicKey:
        """From PEM. Raises BadKey."""
        try:
            return cls.of(load_pem_public_key(text.encode()))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadKey("it is no public key in PEM form") from error

    @classmethod
    def of(cls, key: object) -> PublicKey:
        """From a key of the library. Raises BadKey."""
        if not isinstance(key, Ed25519PublicKey):
            raise BadKey(f"it is no {ALGORITHM} key")
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(pem, hashlib.sha256(der).hexdigest())

    def signed(self, message: bytes | memoryview, signature: bytes) -> bool:
        """Whether this key's owner signed the message."""
        key = load_pem_public_key(self.pem.encode())
        assert isinstance(key, Ed25519PublicKey)
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its public half."""

    private: Ed25519PrivateKey
    public: PublicKey

    @classmethod
    def read(cls, value: str) -> SigningKey:
        """From PEM, or from the file that holds it. Raises BadKey."""
        try:
            text = value if value.lstrip().startswith(_BEGINS) else Path(value).read_text(encoding="ascii")
            key = load_pem_private_key(text.strip().encode(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKey("it is no readable file, or holds no unencrypted private key in PEM form") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadKey(f"it is no {ALGORITHM} key")
        return cls(key, PublicKey.of(key.public_key()))

    def sign(self, message: bytes | memoryview) -> bytes:
        """64 bytes."""
        return self.private.sign(message)


def new_key() -> str:
    """A new private key in PEM form."""
    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
