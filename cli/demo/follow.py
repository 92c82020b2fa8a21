"""Submitting the samples and following every scan to its end, with a say for who shows the progress."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cli.client import Client
from cli.client_errors import ApiError
from cli.demo.samples import Sample
from cli.scan import Scan

_ASKED_AT_ONCE = 8
_IN_FLIGHT = 64
_PAUSE_S = 0.1


@dataclass(slots=True)
class Followed:
    """A sample and what became of it: a scan, or a refusal."""

    sample: Sample
    scan: Scan | None = None
    refusal: ApiError | None = None

    def let_go(self) -> None:
        """Keep of a finished scan how its stages ended, not what they found: the service still has that."""
        if self.scan is not None:
            self.scan = replace(self.scan, report=None, artifacts=(), raw={})

    @property
    def finished(self) -> bool:
        return self.refusal is not None or (self.scan is not None and self.scan.finished)

    @property
    def status(self) -> str:
        if self.refusal is not None:
            return "refused"
        return self.scan.status if self.scan else "waiting"


@dataclass(slots=True)
class Progress:
    """Everything that is followed, and the seconds since the first submit."""

    followed: list[Followed]
    seconds: float = 0.0
    stages: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return sum(each.finished for each in self.followed)


def follow(
    client: Client, samples: Sequence[Sample], show: Callable[[Progress], None], *, keep: bool = True
) -> Progress:
    """Submit the samples, a bounded number at a time, and ask for each until all have ended; `show` is called in between.

    A refused sample is a result like any other. `keep` False lets go of what finished scans found, so that thousands
    fit into memory. Raises ApiError when it is us who are refused (401, 403, 5xx).
    """
    progress = Progress([Followed(sample) for sample in samples])
    started = time.monotonic()

    def tell() -> None:
        progress.seconds = time.monotonic() - started
        show(progress)

    unsent, waiting = deque(progress.followed), deque[Followed]()
    while unsent or waiting:
        while unsent and len(waiting) < _IN_FLIGHT:
            _submit(client, unsent[0])
            waiting.append(unsent.popleft())
            tell()
        for _ in range(min(_ASKED_AT_ONCE, len(waiting))):
            _ask(client, waiting, progress, keep)
        tell()
        if waiting:
            time.sleep(_PAUSE_S)
    return progress


def _submit(client: Client, each: Followed) -> None:
    try:
        each.scan = client.submit(each.sample.content, filename=each.sample.name)
    except ApiError as error:
        if error.status in (401, 403) or error.status >= 500:
            raise
        each.refusal = error


def _ask(client: Client, waiting: deque[Followed], progress: Progress, keep: bool) -> None:
    each = waiting.popleft()
    if each.scan is None:
        return  # refused: nothing to ask for
    each.scan = client.get(each.scan.id)
    progress.stages = progress.stages or [stage.name for stage in each.scan.stages]
    if not each.finished:
        waiting.append(each)
    elif not keep:
        each.let_go()
