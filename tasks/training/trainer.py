"""The one way to train: claim a run, let a process do it, keep what it leaves. As with stages, a message only says "look"."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from db import training_work
from db.session import Database
from db.training_work import End, TrainingClaim
from pipeline import faults
from pipeline.errors import CheckpointMismatch, PathNotAllowed, ScanmillError, StorageUnavailable, TrainingDataInvalid
from storage import Storage
from storage.roots import resolved
from tasks.metrics import TRAINING_ATTEMPTS, TRAINING_SECONDS
from tasks.settings import TrainingSettings
from tasks.training.keeping import Keeper
from tasks.training.lease import Lease
from tasks.training.process import STOPPED, TrainingProcess, options
from tasks.training.registering import register_exports

log = logging.getLogger(__name__)

LOOK_S = 0.25
AGAIN_S = 2.0
"""Seconds until storage is asked again that was away."""

PATHS = ("data", "teacher", "truth", "start")
"""Parameters that name something on this host's disk."""

Watch = Callable[[UUID], AbstractContextManager[None]]
_T = TypeVar("_T")


class Broken(Exception):
    """The attempt is over, the run is not: somebody goes on with it. ``died``: it is charged for that."""

    def __init__(self, reason: str, *, died: bool = False) -> None:
        super().__init__(reason)
        self.died = died


class Trainer:
    """One training slot at work. One run at a time."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        owner: UUID,
        settings: TrainingSettings,
        lease_s: float,
        folder: Path,
        defaults: Mapping[str, Any] | None = None,
        watch: Watch = lambda _: nullcontext(),
    ) -> None:
        """``folder`` is the slot's own and is emptied; ``defaults`` are parameters for whoever left them open."""
        self._database = database
        self._storage = storage
        self._owner = owner
        self._settings = settings
        self._lease_s = lease_s
        self._folder = folder
        self._defaults = dict(defaults or {})
        self._watch = watch
        self._busy = threading.Lock()
        self.stopping = threading.Event()
        self.recipes: tuple[str, ...] = ()
        """Recipes that it takes; none until somebody says which this host knows."""

    def work(self, run_ids: Sequence[str] | None = None) -> int:
        """Train the first run that waits, or one of those that are named. How many ended or were let go: 0 or 1.

        It turns away when it is busy. Raises StorageUnavailable when the ledger is away; nothing is lost by that.
        """
        if self.stopping.is_set() or not self._busy.acquire(blocking=False):
            return 0
        try:
            ids = None if run_ids is None else [each for each in run_ids if _is_id(each)]
            with self._database.begin() as connection:
                claim = training_work.claim(connection, self._owner, self.recipes, self._lease_s, ids)
            if claim is None:
                return 0
            with self._watch(claim.id):
                self._attempt(claim)
            return 1
        finally:
            self._busy.release()

    def join(self, timeout_s: float) -> None:
        """Wait until nobody trains here, but no longer than ``timeout_s``."""
        if self._busy.acquire(timeout=timeout_s):
            self._busy.release()

    def _attempt(self, claim: TrainingClaim) -> None:
        began = time.monotonic()
        log.info("training %s: %s, attempt %d", claim.id, claim.recipe, claim.attempts)
        faults.fp("train.after_claim")
        with Lease(self._database, claim, self._lease_s) as lease:
            state, code = self._settle(claim, lease)
        TRAINING_ATTEMPTS.labels(claim.recipe, state, code or "").inc()
        TRAINING_SECONDS.labels(claim.recipe).observe(time.monotonic() - began)
        log.info("training %s: %s %s", claim.id, state, code or "")

    def _settle(self, claim: TrainingClaim, lease: Lease) -> tuple[str, str | None]:
        """Carry it out and write down how it ended: the state, and its code."""
        try:
            end = self._end_of(claim, lease)
            state = self._patiently(lambda: self._finish(claim, lease, end), lease)
        except Broken as broken:
            log.warning("training %s is let go: %s", claim.id, broken)
            with self._database.begin() as connection:
                left = training_work.hand_back(connection, claim, died=broken.died)
            return left or "lost", None
        return state or "lost", end.code if state == end.state else None

    def _end_of(self, claim: TrainingClaim, lease: Lease) -> End:
        """How it ended; whatever is raised, but Broken, is an end too."""
        try:
            return self._carry_out(claim, lease)
        except Broken:
            raise
        except StorageUnavailable as error:
            raise Broken(error.code) from error
        except ScanmillError as error:
            return End("failed", error.code, str(error)[:500] or None)
        except Exception:
            log.exception("training %s failed here", claim.id)
            return End("failed", ScanmillError.code)

    def _finish(self, claim: TrainingClaim, lease: Lease, end: End) -> str | None:
        lease.beat()
        with self._database.begin() as connection:
            return training_work.finish(connection, claim, end)

    def _carry_out(self, claim: TrainingClaim, lease: Lease) -> End:
        shutil.rmtree(self._folder, ignore_errors=True)
        out = self._folder / "out"
        out.mkdir(parents=True)
        keeper = Keeper(self._database, self._storage, claim, out)
        try:
            parameters = self._resolved(claim.parameters)
            self._patiently(keeper.lay_out, lease)
            words = options(parameters, parameters["data"], out)
            threads = str(self._settings.threads)
            words += ["--threads", threads, "--processes", threads, "--resume"]
            process = TrainingProcess(claim.recipe, words, self._folder / "progress.json", self._folder / "log")
            try:
                status = self._watched(process, keeper, lease)
            finally:
                process.kill()
            return self._ended(claim, status, process, keeper, lease)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _watched(self, process: TrainingProcess, keeper: Keeper, lease: Lease) -> int:
        """Its exit status, once it has ended or was made to."""
        not_before = 0.0
        while (status := process.poll()) is None:
            lease.progress = process.progress()
            if lease.lost.is_set():
                return process.kill()
            if lease.cancelled.is_set() or self.stopping.is_set():
                status = process.stop(self._settings.stop_grace_s)
                break
            if time.monotonic() >= not_before:
                try:
                    keeper.keep_checkpoint()
                    not_before = time.monotonic() + LOOK_S
                except StorageUnavailable as error:
                    log.warning("a checkpoint cannot be stored now: %s", error.code)
                    not_before = time.monotonic() + AGAIN_S
            time.sleep(LOOK_S)
        lease.progress = process.progress()
        return status

    def _ended(self, claim: TrainingClaim, status: int, process: TrainingProcess, keeper: Keeper, lease: Lease) -> End:
        """What an exit status means. Raises Broken when somebody is to go on with the run."""
        if lease.lost.is_set():
            raise Broken("somebody else holds it")
        if status != 0:
            self._patiently(keeper.keep_checkpoint, lease)
        if lease.cancelled.is_set():
            return End("cancelled", "CANCELLED")
        if status == 0:
            return self._succeeded(claim, keeper, lease)
        if self.stopping.is_set() and status in (STOPPED, -9, -15):
            raise Broken("this worker stops")
        log.warning("training %s ended with status %d:\n%s", claim.id, status, process.last_words())
        if status < 0 or status == STOPPED:
            raise Broken(f"its process ended with status {status}", died=True)
        code, detail = process.refusal()
        if code == CheckpointMismatch.code and claim.attempts > 1:  # nobody asked for it to go on from there
            self._patiently(keeper.drop_checkpoint, lease)
            raise Broken("its checkpoint is of another kind of machine, or of other data: it starts afresh", died=True)
        return End("failed", code, detail)

    def _succeeded(self, claim: TrainingClaim, keeper: Keeper, lease: Lease) -> End:
        out = self._folder / "out"
        files = self._patiently(keeper.files, lease)
        versions = []
        if not claim.parameters.get("train_only"):
            versions = self._patiently(lambda: register_exports(self._database, self._storage, out, claim.id), lease)
        self._patiently(keeper.drop_checkpoint, lease)
        return End("succeeded", files=files, versions=versions)

    def _resolved(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with real paths. Raises TrainingDataInvalid for one that is not there or leads elsewhere."""
        parameters = {**self._defaults, **given}
        for name in PATHS:
            if parameters.get(name) is not None:
                try:
                    parameters[name] = resolved(self._settings.roots, parameters[name])
                except PathNotAllowed as error:
                    raise TrainingDataInvalid(f"{name}: {error}") from error
        if not parameters["data"].is_dir():
            raise TrainingDataInvalid("data: no folder")
        return parameters

    def _patiently(self, act: Callable[[], _T], lease: Lease) -> _T:
        """Do it as often as it takes while storage or the ledger is away. Raises Broken when there is no more point in it."""
        while True:
            try:
                return act()
            except StorageUnavailable as error:
                if self.stopping.is_set() or lease.cancelled.is_set() or lease.lost.is_set():
                    raise Broken(f"there is no time left to wait: {error.code}") from error
                log.warning("a training waits: %s", error.code)
                time.sleep(AGAIN_S)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except (ValueError, AttributeError, TypeError):
        return False
