"""Callers who each wait for an answer before they ask again, as long as the service says that it will come.

A 202 is followed to its ``poll_url``; a 429 or 503 is asked again after its ``Retry-After``, and a broken line at once, under the
same Idempotency-Key, so that nothing is done twice. The time of a request runs from its first try to its last answer.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import httpx

from pipeline.errors import ScanmillError, Verdict, taxonomy

LATER: Final = frozenset({429, 503})
GIVEN_UP: Final = "GIVEN_UP"
LONGEST_S: Final = 180.0
"""A request without an answer after this has failed."""
POLL_S: Final = 0.1
LONGEST_POLL_S: Final = 2.0
"""Between two looks for an answer, at first and at most."""
TRIES: Final = 3
"""Of a line that breaks."""
ANSWER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One picture asked about. ``began`` in seconds from the round's start; ``status`` 0: the line broke."""

    user: int
    began: float
    seconds: float
    status: int
    code: str = ""
    turns: Mapping[str, int] = field(default_factory=dict)
    """What came before the last answer: how often it was ``refused``, ``polled`` for, and the line ``broken``."""
    scan_id: str = ""
    computed_ms: float | None = None
    """What the answer says of its stages' computing, all together."""

    @property
    def answered(self) -> bool:
        """Whether the service did its work: it found something, or says why the picture cannot be judged."""
        return self.status == httpx.codes.OK or issubclass(taxonomy().get(self.code, ScanmillError), Verdict)


def ask_all(url: str, path: str, key: str | None, pictures: Sequence[bytes], users: int) -> tuple[list[Asked], float]:
    """Share the pictures out evenly, start all callers at once; what became of each picture, and seconds in all."""
    ready = threading.Barrier(users + 1)
    clock: list[float] = []

    def life(user: int) -> list[Asked]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=url, headers=headers, timeout=ANSWER_S) as client:
            ready.wait()
            return list(_asked(client, path, user, pictures[user::users], lambda: time.perf_counter() - clock[0]))

    with ThreadPoolExecutor(users) as pool:
        lives = [pool.submit(life, user) for user in range(users)]
        clock.append(time.perf_counter())
        ready.wait()
        told = [asked for one in lives for asked in one.result()]
    return sorted(told, key=lambda asked: asked.began), max(one.began + one.seconds for one in told)


def _asked(
    client: httpx.Client, path: str, user: int, pictures: Sequence[bytes], now: Callable[[], float]
) -> Iterator[Asked]:
    for picture in pictures:
        began, turns = now(), Counter[str]()
        try:
            answer = _followed(client, path, picture, turns)
        except httpx.TransportError as error:
            yield Asked(user, began, now() - began, 0, type(error).__name__, turns=dict(turns))
            continue
        told = _object(answer)
        status = answer.status_code
        code = str(told.get("code") or (GIVEN_UP if status == httpx.codes.ACCEPTED else ""))
        computed = told.get("stage_ms")
        spent = sum(ms for ms in computed.values() if ms is not None) if computed else None
        scan_id = str(told.get("scan_id") or told.get("id") or "")
        yield Asked(user, began, now() - began, status, code, dict(turns), scan_id, spent)


def _followed(client: httpx.Client, path: str, picture: bytes, turns: Counter[str]) -> httpx.Response:
    """The last answer about a picture; ``turns`` counts what came between."""
    until, pause = time.monotonic() + LONGEST_S, POLL_S
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    files = {"image": ("picture", picture, "application/octet-stream")}
    post = partial(client.request, "POST", path, headers=headers, files=files)
    answer = _sent(post, turns)
    while time.monotonic() < until:
        if answer.status_code in LATER:
            turns["refused"] += 1
            time.sleep(float(answer.headers.get("Retry-After", 1)))
            answer = _sent(post, turns)
        elif answer.status_code == httpx.codes.ACCEPTED:
            turns["polled"] += 1
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_S)
            answer = _sent(partial(client.request, "GET", str(_object(answer)["poll_url"])), turns)
        else:
            break
    return answer


def _sent(send: Callable[[], httpx.Response], turns: Counter[str]) -> httpx.Response:
    """Sent again while the line breaks, as any client would: a service closes lines that have idled. Raises the last break."""
    for attempt in range(TRIES):
        try:
            return send()
        except httpx.TransportError:
            turns["broken"] += 1
            if attempt == TRIES - 1:
                raise
            time.sleep(POLL_S * 2**attempt)
    raise AssertionError("the loop returns or raises")


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
