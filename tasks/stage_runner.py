"""The heart: claimed runs of one stage in, their ends in the ledger out.

read inputs → run the stage → store its files → one transaction: results, ends, successors. Files come before rows, so
a row never names a missing file; a worker that dies anywhere here leaves leases that others take up.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from db.inputs import NeedReader, NeedRow
from db.ledger import Claim
from db.results import Answer, Completed, StoredFile, complete, settle_followers
from db.session import Database
from pipeline.contracts import InputKind, Lane, RunState
from pipeline.errors import ScanmillError, StorageUnavailable
from pipeline.faults import fp
from pipeline.run import encoded, provenance
from pipeline.stage import File, Models, Need, Picture, StageAnswer, StageInput, StageOutput
from storage import Storage
from storage.fetch import fetch
from storage.keys import artifact_key
from storage.settings import FetchSettings
from tasks.cache import ArtifactReader
from tasks.failures import Ruling, rule
from tasks.metrics import CPU_SECONDS, STAGE_RUNS, STAGE_SECONDS
from tasks.registry import ModelLoader, Runnable

if TYPE_CHECKING:
    from uuid import UUID

log = logging.getLogger(__name__)

COMMIT_TRIES = 6
"""Tries to commit finished work while the database is away, half a second apart at first; then its leases run out."""


class StageRunner:
    """Runs micro-batches for one worker child."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        room: ModelLoader,
        profile: str,
        cache_bytes: int,
        computed: Callable[[], None] = lambda: None,
    ) -> None:
        """``computed`` is called when a stage's own work is done: what is left waits for others, so no deadline runs."""
        self._database = database
        self._storage = storage
        self._room = room
        self._profile = profile
        self._reader = ArtifactReader(storage, cache_bytes)
        self._needs = NeedReader()
        self._fetch_settings = FetchSettings()
        self._computed = computed

    def run(self, runnable: Runnable, claims: Sequence[Claim]) -> Completed:
        """Work on claimed runs of one stage, to the end of their transaction."""
        name = runnable.spec.name
        fp(f"{name}.after_claim")
        began = time.perf_counter()
        with _cpu_seconds(name, "run"):
            answers, who = self._answers(runnable, claims)
        self._computed()
        each_ms = (time.perf_counter() - began) * 1000 / len(claims)
        fp(f"{name}.after_run")
        with _cpu_seconds(name, "store"):
            ends = [self._end(name, claim, answer, who, each_ms) for claim, answer in zip(claims, answers, strict=True)]
        fp(f"{name}.after_put")
        completed = self._commit(name, ends)
        fp(f"{name}.after_commit")
        for end in ends:
            STAGE_RUNS.labels(name, str(end.outcome), end.code or "").inc()
            STAGE_SECONDS.labels(name).observe(each_ms / 1000)
            if end.outcome is RunState.OK:
                _log_ok(name, end.claim, each_ms)
        return completed

    def _answers(
        self, runnable: Runnable, claims: Sequence[Claim]
    ) -> tuple[Sequence[StageAnswer | Exception], dict[str, Any]]:
        """An answer per claim, and who gave them."""
        try:
            models = runnable.models(self._room)
            with self._database.begin() as connection:
                needs = self._needs.needs(connection, runnable.spec, claims)
        except Exception as error:  # noqa: BLE001  a model that cannot be loaded must end in the ledger too
            return [error] * len(claims), {}
        items = [self._input(claim, need) for claim, need in zip(claims, needs, strict=True)]
        return _run_guarded(runnable, items, models), provenance(runnable.stage, models)

    def _input(self, claim: Claim, needs: Mapping[str, NeedRow]) -> StageInput:
        return StageInput(
            needs={name: self._need(claim.tenant_id, row) for name, row in needs.items()},
            options=claim.options,
            source=partial(self._source, claim),
        )

    def _need(self, tenant_id: UUID, row: NeedRow) -> Need:
        return Need(
            outcome=RunState(row.outcome),
            code=row.code,
            data=row.data,
            provenance=row.provenance,
            artifacts=tuple(sorted(row.artifacts)),
            picture=lambda name: self._reader.pixels(tenant_id, row.artifacts[name]),
            content=lambda name: self._reader.content(tenant_id, row.artifacts[name]),
        )

    def _source(self, claim: Claim) -> bytes:
        """The bytes of the scan's picture, from wherever its submission said."""
        if claim.input_kind == InputKind.URL:
            return fetch(claim.input_ref, self._fetch_settings)
        most = self._fetch_settings.max_upload_bytes
        return self._storage.get(claim.input_ref, claim.input_sha256, max_bytes=most)

    def _end(
        self, name: str, claim: Claim, answer: StageAnswer | Exception, who: Mapping[str, Any], ms: float
    ) -> Answer:
        data: Mapping[str, Any] = {}
        try:
            if isinstance(answer, StageOutput):
                data, files = _plain(answer.data), self._store(name, claim, answer)
                return Answer(claim, RunState.OK, None, data, who, files, compute_ms=ms)
            if isinstance(answer, ScanmillError):
                data = _plain(answer.data)
        except Exception as error:  # noqa: BLE001  an answer that cannot be kept is this run's failure, not its neighbours'
            answer = error
        ruling = rule(answer, claim.attempts)
        _log_end(name, claim, answer, ruling)
        return Answer(
            claim,
            ruling.outcome,
            ruling.code,
            data=data,
            provenance=who,
            compute_ms=ms,
            retry_in_s=ruling.retry_in_s,
        )

    def _store(self, name: str, claim: Claim, output: StageOutput) -> dict[str, StoredFile]:
        files = {}
        for artifact, value in output.artifacts.items():
            file = encoded(value)
            sha256 = hashlib.sha256(file.content).hexdigest()
            if sha256 != claim.input_sha256:  # an upload lies there already, under this very key
                self._storage.put(artifact_key(claim.tenant_id, sha256), file.content, file.media_type)
            fp(f"{name}.mid_put")
            if isinstance(value, Picture) and value.lossless:
                self._reader.keep_pixels(claim.tenant_id, sha256, value.pixels)
            elif isinstance(value, File):
                self._reader.keep_content(claim.tenant_id, sha256, file.content)
            files[artifact] = StoredFile(sha256, len(file.content), file.media_type)
        return files

    def _commit(self, name: str, ends: Sequence[Answer]) -> Completed:
        """Commit, and again if the database was away: the token tells whether the first try went through."""
        completed: Completed | None = None
        for attempt in range(COMMIT_TRIES):
            if attempt:
                log.warning("could not commit, attempt %d of %d", attempt, COMMIT_TRIES)
                time.sleep(0.25 * 2**attempt)
            try:
                if completed is None:
                    with self._database.begin() as connection:
                        done = complete(connection, ends, self._profile)
                        fp(f"{name}.before_commit")
                    completed = done
                if not completed.followed:
                    return completed
                with self._database.begin() as connection:
                    freed = settle_followers(connection, sorted(completed.ended))
                return Completed(completed.ended, [*completed.ready, *freed])
            except StorageUnavailable:
                continue
        return completed or Completed(frozenset(), [])


def _run_guarded(runnable: Runnable, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer | Exception]:
    """Answers of a micro-batch. When the batch as a whole raises, each item is run alone, so none fails a neighbour."""
    try:
        fp(f"{runnable.spec.name}.in_run")
        answers = runnable.stage.run(items, models)
        if len(answers) != len(items):
            raise ScanmillError(f"{runnable.spec.name} gave {len(answers)} answers to {len(items)} items")
    except Exception as error:  # noqa: BLE001  whatever a stage raises must end in the ledger
        if len(items) == 1:
            return [error]
        return [answer for item in items for answer in _run_guarded(runnable, [item], models)]
    return answers


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as the ledger will give them back. Raises ValueError or TypeError for what JSON or Postgres cannot hold."""
    text = json.dumps(dict(data), allow_nan=False, ensure_ascii=False)
    if "\\u0000" in text or text.encode(errors="replace").decode() != text:
        raise ValueError("a NUL or half a character in a text")
    plain: dict[str, Any] = json.loads(text)
    return plain


@contextmanager
def _cpu_seconds(name: str, part: str) -> Iterator[None]:
    """Count the processor time of the block, all threads of this child together."""
    began = time.process_time()
    yield
    CPU_SECONDS.labels(name, part).inc(time.process_time() - began)


def _log_ok(name: str, claim: Claim, ms: float) -> None:
    """A line per stage of a scan that somebody waits for; of bulk ones the ledger's rows are the record."""
    level = logging.INFO if claim.lane == Lane.INTERACTIVE else logging.DEBUG
    log.log(level, "%s: ok", name, extra={**_place(name, claim), "ms": round(ms, 1)})


def _place(name: str, claim: Claim) -> dict[str, object]:
    return {"scan": str(claim.scan_id), "stage": name, "attempt": claim.attempts}


def _log_end(name: str, claim: Claim, error: Exception, ruling: Ruling) -> None:
    """Expected ends at INFO; surprises with their traceback, which goes nowhere else."""
    expected = ruling.outcome in (RunState.REJECTED, RunState.ABSTAINED, RunState.SKIPPED)
    log.log(
        logging.INFO if expected else logging.WARNING,
        "%s: %s %s",
        name,
        ruling.outcome,
        ruling.code,
        exc_info=None if isinstance(error, ScanmillError) else error,
        extra=_place(name, claim),
    )
