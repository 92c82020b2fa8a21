"""``scanmill worker``: one slot per GPU or CPU share, a decode server for the host, and an eye on all of them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from db import ledger, training_work
from db.session import Database
from db.settings import DatabaseSettings
from pipeline.contracts import Queue
from pipeline.errors import StorageUnavailable
from pipeline.models.settings import ModelSettings
from tasks.queue import Doorbell
from tasks.settings import TaskSettings
from tasks.training.recipes import require_training
from workers import logs
from workers.decoder import DecodeServer
from workers.metrics import serve_metrics
from workers.settings import WorkerSettings
from workers.slot import LostOwner, Slot, SlotPlan

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""Seconds between looks at the slots."""


class NoGpu(RuntimeError):
    """A GPU slot was asked for where there is no such GPU, or no runtime that could use it."""


def plan(settings: WorkerSettings) -> list[SlotPlan]:
    """The slots of this host. A host with GPUs leaves the gpu queues to them unless CPU is allowed too.

    A slot that trains serves no scans: it is busy for hours.
    """
    sizes = gpu_memory() if settings.gpus else {}
    gpus = [SlotPlan(f"gpu{gpu}", (Queue.GPU,), gpu, sizes.get(gpu)) for gpu in settings.gpus]
    kinds = (Queue.CPU, Queue.GPU) if settings.allow_cpu else (Queue.CPU,)
    serving = gpus + [SlotPlan(f"cpu{n}", kinds) for n in range(settings.slots)]
    training = [SlotPlan(f"train{n}", (Queue.TRAIN,)) for n in range(settings.train_slots)]
    return serving + training + [SlotPlan(f"train-gpu{gpu}", (Queue.TRAIN,), gpu) for gpu in settings.train_gpus]


def visible_gpus() -> set[int]:
    """Ids of the GPUs that the driver names; empty where there is no driver."""
    return set(gpu_memory())


def gpu_memory() -> dict[int, int | None]:
    """Megabytes of memory by GPU id; None where the driver does not say."""
    question = ["nvidia-smi", "--query-gpu=index,memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(question, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return {}
    told = (line.split(",") for line in listed.stdout.splitlines())
    return {int(index): int(size) if size.strip().isdigit() else None for index, size in told}


def chosen(settings: WorkerSettings) -> WorkerSettings:
    """The settings with what ``use_gpu`` means on this host. Raises NoGpu."""
    if settings.use_gpu and not settings.gpus:
        found = sorted(visible_gpus())
        if not found:
            raise NoGpu("USE_GPU is true, but there is no GPU here; with it false the stages run on the CPU")
        return settings.model_copy(update={"gpus": found})
    return settings.model_copy(update={"allow_cpu": True}) if settings.use_gpu is False else settings


def require_gpus(wanted: list[int]) -> None:
    """Raise NoGpu unless every wanted GPU is there."""
    missing = set(wanted) - visible_gpus() if wanted else set()
    if missing:
        raise NoGpu(f"no GPU {sorted(missing)} here; without --gpus and with --allow-cpu its stages run on the CPU")


class Supervisor:
    """Runs the slots until it is told to stop."""

    def __init__(self, settings: WorkerSettings, folder: Path) -> None:
        self._settings = settings
        tasks = TaskSettings()
        self._database = Database(DatabaseSettings())
        self._bell = Doorbell(tasks.redis_url.get_secret_value(), tasks.batch_size)
        self._lost: list[LostOwner] = []
        self._slots = [Slot(each, settings.host, folder, self._lost.append) for each in plan(settings)]
        self._decoder = DecodeServer(folder)
        self.stopping = threading.Event()

    def run(self) -> None:
        """Watch the slots until ``stopping`` is set, then let them finish and hand back their work."""
        while not self.stopping.wait(LOOK_S):
            self._decoder.check()
            for slot in self._slots:
                slot.check()
            self._release_now()
        until = time.monotonic() + self._settings.stop_grace_s
        for slot in self._slots:
            slot.ask_to_stop()
        for slot in self._slots:
            slot.finish(until)
        self._release_now()
        self._decoder.stop()
        self._bell.close()

    def _release_now(self) -> None:
        """Give back leases; what the ledger does not take now stays on the list, and would run out anyway."""
        while self._lost:
            lost = self._lost[0]
            try:
                with self._database.begin() as connection:
                    freed = ledger.release(connection, lost.owner, crashed=lost.crashed, code=lost.code)
                    trainings = training_work.release(connection, lost.owner, died=lost.crashed)
            except StorageUnavailable:
                log.warning("could not release leases of %s; trying again", lost.owner)
                return
            self._bell.ring(freed)
            self._bell.ring_training(trainings)
            self._lost.pop(0)


def main(settings: WorkerSettings | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises NoGpu or NoTraining when a slot is asked for that this host cannot have."""
    settings = chosen(settings or WorkerSettings())
    logs.configure()
    require_gpus([*settings.gpus, *settings.train_gpus])
    if settings.train_slots or settings.train_gpus:
        require_training()
    with tempfile.TemporaryDirectory(prefix="scanmill-worker-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        if ModelSettings().cache is None:
            os.environ["SCANMILL_MODEL_CACHE"] = str(Path(folder) / "models")  # its slots share what they fetch
        supervisor = Supervisor(settings, Path(folder))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        if settings.metrics_port:
            serve_metrics(settings.metrics_host, settings.metrics_port, folder)
        supervisor.run()


if __name__ == "__main__":
    main()
