"""Getting the pictures of a source to the service: several uploads at once, references by the hundred."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from cli.batches.service import Batches
from cli.batches.sources import Line, SourceError
from cli.client import Client
from cli.client_errors import ApiError

UPLOADS = 4
"""Pictures that are on their way at once."""
REFERENCES = 500
"""In one request."""
NOT_TAKEN = (413, 422)
"""A request is refused with these for what a line holds."""


@dataclass(slots=True)
class Filled:
    """What became of a source's lines; `unreadable` names those that never left this machine, with the reason."""

    added: int = 0
    refused: int = 0
    known: int = 0
    unchanged: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, told: Mapping[str, int]) -> None:
        self.added += told["added"]
        self.refused += told["refused"]
        self.known += told["known"]


class Filler:
    """Sends lines to one batch. `before` holds the SHA-256 of earlier lines by name: the same bytes are not sent."""

    def __init__(self, connect: Callable[[], Client], batch_id: str, before: Mapping[str, str] | None = None) -> None:
        self._connect = connect
        self._batch_id = batch_id
        self._before = before or {}
        self.filled = Filled()

    def send(self, lines: Iterable[Line], step: Callable[[], None] = lambda: None) -> Filled:
        """Send all of them; `step` is called for each line that is done."""
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(UPLOADS))
            clients: SimpleQueue[Client] = SimpleQueue()
            for _ in range(UPLOADS):
                clients.put(stack.enter_context(self._connect()))
            for future in bounded(pool.submit(self._share, share, clients) for share in _shares(lines)):
                for told in future.result():
                    told(self.filled)
                    step()
        return self.filled

    def _share(self, share: list[Line], clients: SimpleQueue[Client]) -> list[Callable[[Filled], None]]:
        client = clients.get()
        try:
            batches = Batches(client)
            return self._refer(batches, share) if share[0].read is None else [self._upload(batches, share[0])]
        finally:
            clients.put(client)

    def _refer(self, batches: Batches, share: list[Line]) -> list[Callable[[Filled], None]]:
        """Send references at once; of a request that is refused whole, the halves, until the bad line is alone."""
        try:
            told = batches.refer(self._batch_id, [_reference(line) for line in share])
        except ApiError as error:
            if error.status not in NOT_TAKEN:
                raise
            if len(share) == 1:
                return [_left(share[0], str(error))]
            middle = len(share) // 2
            return self._refer(batches, share[:middle]) + self._refer(batches, share[middle:])
        return [lambda filled: filled.add(told), *[_nothing] * (len(share) - 1)]

    def _upload(self, batches: Batches, line: Line) -> Callable[[Filled], None]:
        assert line.read is not None
        try:
            content = line.read()
        except (OSError, SourceError, ValueError) as error:
            return _left(line, str(getattr(error, "strerror", None) or error))
        if self._before.get(line.custom_id) == hashlib.sha256(content).hexdigest():
            return _unchanged
        try:
            told = batches.upload(self._batch_id, content, line)
        except ApiError as error:
            if error.status not in NOT_TAKEN:
                raise
            return _left(line, str(error))
        except UnicodeEncodeError:
            return _left(line, "its name is no text")
        return lambda filled: filled.add(told)


def _left(line: Line, reason: str) -> Callable[[Filled], None]:
    """A line that stays behind; the others go on."""
    name = line.custom_id.encode(errors="replace").decode()
    return lambda filled: filled.unreadable.update({name: reason})


def _nothing(_: Filled) -> None:
    """A line that was counted with others."""


def _unchanged(filled: Filled) -> None:
    filled.unchanged += 1


def _reference(line: Line) -> dict[str, Any]:
    given: dict[str, Any] = {"custom_id": line.custom_id, **line.reference, **line.about}
    return {
        **given,
        **{name: dict(value) for name in ("options", "fields", "consent") if (value := getattr(line, name))},
    }


def _shares(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """An upload by itself, references by the hundred; the order of lines is kept within a kind."""
    references: list[Line] = []
    for line in lines:
        if line.read is not None:
            yield [line]
            continue
        references.append(line)
        if len(references) == REFERENCES:
            yield references
            references = []
    if references:
        yield references


def bounded(futures: Iterator[Future[Any]]) -> Iterator[Future[Any]]:
    """Futures as they are done, a few ahead: a source of a million lines is not read into memory."""
    waiting: set[Future[Any]] = set()
    for future in futures:
        waiting.add(future)
        if len(waiting) >= 2 * UPLOADS:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from done
    yield from waiting
