"""One Celery task per stage, so that Flower, routing and limits know the work by name. Its argument is run ids only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from celery import Celery

from tasks.app import task_name


def register_stages(app: Celery, names: Iterable[str], work: Callable[[Sequence[int]], None]) -> None:
    """Register ``scan.<stage>`` for every stage name; each does nothing but ``work(ids)``."""
    for name in names:
        app.task(_named(work), name=task_name(name), shared=False)


def _named(work: Callable[[Sequence[int]], None]) -> Callable[[list[int]], None]:
    """A function of its own per task: Celery keeps one task per function."""

    def run(run_ids: list[int]) -> None:
        work(run_ids)

    return run
