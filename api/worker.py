"""Gunicorn's threaded worker, made patient: a request holds memory while it arrives, a thread only once it is here.

Gunicorn gives a thread to every connection at once, so a few slow clients take all of them; it also waits for closing
clients on its main loop. Here the main loop collects requests of up to some megabytes and lets go of closing connections
by itself. Larger bodies are read by a thread, at a least rate (``api.arrival``). TLS belongs to a proxy in front.
"""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import selectors
import socket
import struct
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from api import lifecycle, problems
from api.arrival import MOST_BODY_BYTES, Arrival, Patience, PatientUnreader
from api.services import COLLECTED, EXTENSION
from pipeline.errors import InvalidRequest, RequestTimeout, ScanmillError

MOST_KEPT_BYTES = 256 * 2**20
"""Of all requests on their way in, in one process; once more are here, new ones go to a thread with their head."""

LINGER_S = 5.0
MOST_LINGER_BYTES = 64 * 2**20
CHECK_S = 0.5
_NOT_NOW = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK, errno.EMFILE, errno.ENFILE)


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection that closes on the main loop without holding it up."""

    worker: PatientWorker
    early = b""
    collected = False

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.let_go(self)
        else:
            self.sock.close()


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """See the module. The names of overridden methods are gunicorn's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[Connection, Arrival] = {}
        self.leaving: dict[Connection, tuple[float, int]] = {}
        self.patience = Patience(30.0, 1)
        self.next_check = 0.0

    def load_wsgi(self) -> None:
        super().load_wsgi()
        settings = self.wsgi.extensions[EXTENSION].settings
        self.patience = Patience(settings.body_timeout_s, settings.body_rate)

    def handle_exit(self, sig: int, frame: object) -> None:
        """SIGTERM: streams and waits end now, requests under way may finish."""
        lifecycle.stop()
        super().handle_exit(sig, frame)

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in _NOT_NOW:
                raise
            return
        seconds = int(self.patience.timeout_s)  # a client that does not read its answer holds a thread no longer
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", seconds, 0))
        self.nr_conns += 1
        connection = Connection(self.cfg, client, address, listener.getsockname())
        connection.worker = self
        self._collect(connection)

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._collect(conn)

    def _collect(self, connection: Connection) -> None:
        kept = sum(len(arrival.received) for arrival in self.arriving.values())
        arrival = Arrival(time.monotonic(), MOST_BODY_BYTES if kept < MOST_KEPT_BYTES else 0)
        self.arriving[connection] = arrival
        self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._receive, connection, arrival))

    def _receive(self, connection: Connection, arrival: Arrival, client: socket.socket) -> None:
        chunk = _receive(client)
        if chunk is None:
            return
        if not chunk:
            self._leave_collecting(connection)
            self.nr_conns -= 1
            connection.close()
            return
        arrival.received += chunk
        if arrival.complete():
            self._leave_collecting(connection)
            connection.early, connection.collected = bytes(arrival.received), arrival.whole
            connection.data_ready = True
            self.enqueue_req(connection)
        elif arrival.endless:
            self._refuse(connection, InvalidRequest())

    def _refuse(self, connection: Connection, error: ScanmillError) -> None:
        """Answer a request that no thread will see."""
        self._leave_collecting(connection)
        self.nr_conns -= 1
        _send(connection.sock, problem_bytes(error))
        connection.close(graceful=True)

    def _leave_collecting(self, connection: Connection) -> None:
        del self.arriving[connection]
        self.poller.unregister(connection.sock)

    def handle(self, conn: Connection) -> Any:
        """Runs in a thread, with the request's bytes at hand."""
        conn.sock.settimeout(None)
        conn.init()
        if not isinstance(conn.parser.unreader, PatientUnreader):
            conn.parser.unreader = PatientUnreader(conn.sock, self.patience)
        conn.parser.unreader.begin(conn.early)
        conn.early = b""
        result = super().handle(conn)
        while result is True and conn.parser.unreader.buf.tell():  # the next request came along with this one
            conn.collected = False
            conn.parser.unreader.begin(b"")
            result = super().handle(conn)
        return result

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """A refusal that leaves a body unread says that it closes the connection, and gunicorn then does."""
        setattr(req.body, COLLECTED, conn.collected)
        asked = req.should_close
        req.should_close = lambda: asked() or _unread(req)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """What fails before or around the app, in the app's one shape."""
        refused = exc if isinstance(exc, ScanmillError) else None
        if refused is None and type(exc).__module__.startswith("gunicorn."):
            refused = InvalidRequest()
        if refused is None:
            self.log.error("error around a request", exc_info=exc)
        else:
            self.log.warning("refused before the app: %s", type(exc).__name__)
        _send(client, problem_bytes(refused or ScanmillError()))

    def murder_pending(self) -> None:
        """Called at least once a second: give up requests that are too slow, and connections that will not close."""
        now = time.monotonic()
        if now < self.next_check:
            return
        self.next_check = now + CHECK_S
        for connection, arrival in list(self.arriving.items()):
            elapsed, silent = now - arrival.began, not arrival.received
            if silent and elapsed > self.cfg.keepalive:
                self._leave_collecting(connection)
                self.nr_conns -= 1
                connection.close(graceful=True)
            elif self.patience.ends(elapsed, len(arrival.received)):
                self._refuse(connection, RequestTimeout())
        for connection, (until, _) in list(self.leaving.items()):
            if now >= until:
                self._gone(connection)

    def let_go(self, connection: Connection) -> None:
        """Say that no more will come, and take in what the client still sends: closing at once would cut our answer."""
        try:
            connection.sock.settimeout(0)
            connection.sock.shutdown(socket.SHUT_WR)
            self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._discard, connection))
        except (OSError, ValueError):
            connection.sock.close()
            return
        self.nr_conns += 1  # as long as it is here
        self.leaving[connection] = (time.monotonic() + LINGER_S, 0)
        self._discard(connection, connection.sock)

    def _discard(self, connection: Connection, client: socket.socket) -> None:
        chunk = _receive(client)
        until, taken = self.leaving[connection]
        if chunk is None:
            return
        if not chunk or taken > MOST_LINGER_BYTES:
            self._gone(connection)
        else:
            self.leaving[connection] = (until, taken + len(chunk))

    def _gone(self, connection: Connection) -> None:
        del self.leaving[connection]
        self.nr_conns -= 1
        self.poller.unregister(connection.sock)
        connection.sock.close()


def problem_bytes(error: ScanmillError) -> bytes:
    """A whole HTTP response, for when there is no app to make one."""
    body = json.dumps(problems.document(error, secrets.token_hex(8))).encode()
    head = (
        f"HTTP/1.1 {error.status} {type(error).__name__}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\n"
        "Content-Security-Policy: default-src 'none'\r\nCache-Control: no-store\r\n\r\n"
    )
    return head.encode() + body


def _receive(client: socket.socket) -> bytes | None:
    """What has come; None when nothing has, empty when the client is gone."""
    try:
        return client.recv(65_536)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""


def _send(client: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        client.send(answer)


def _unread(req: Any) -> bool:
    """Whether some of the request's body is still to be read."""
    reader = req.body.reader
    return bool(getattr(reader, "length", 0) or getattr(reader, "parser", None))
