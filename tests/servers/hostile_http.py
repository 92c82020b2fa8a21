"""HTTP servers that misbehave byte by byte, on loopback, with or without TLS under a certificate authority of our own."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[socket.socket, str], None]
"""What a server does with a connection whose request, for that path, was read."""


class HostileServer:
    """Serves each connection in a thread, as ``answer`` says. ``requests`` are those that came, whole, as text."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server((address, 0))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.requests: list[str] = []
        self.connections = 0
        self.server_names: list[str | None] = []
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.server_names.append(name)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for connection in self._connections:
            connection.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(65_536)
                if not piece:
                    return
                request += piece
            self.requests.append(request.decode("latin-1"))
            path = re.match(r"GET (\S+) ", self.requests[-1])
            self._answer(connection, path[1] if path else "")
            connection.shutdown(socket.SHUT_WR)


class Authority:
    """A certificate authority that nobody knows unless told to; ``certificate`` is the file that tells."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority for tests")
        built = _builder(self._name, self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = built.add_extension(usage, True)
        own = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server(self, host: str, *, self_signed: bool = False, expired: bool = False) -> ssl.SSLContext:
        """A server's side of TLS with a certificate for ``host``, a name or an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = (_name(host), key) if self_signed else (self._name, self._key)
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        built = _builder(_name(host), issuer, key, expired=expired)
        built = built.add_extension(x509.SubjectAlternativeName([alternative]), False)
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        signed = built.add_extension(known, False).sign(signer, hashes.SHA256())
        file = self._folder / f"{key.private_numbers().private_value:x}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    end = now - timedelta(days=1) if expired else now + timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(end)
    )
