"""Real PostgreSQL and Redis servers out of Python wheels, in the foreground below us: for `demo`, `up` and the tests.

Nothing listens beyond this machine: PostgreSQL on a unix socket, Redis on loopback, both with a password. Whoever dies
takes its servers along (see `cli.processes`). Started by the main thread only.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from cli.postgres import EmbeddedPostgres
from cli.redis_server import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServers"]


class EmbeddedServers:
    """Both servers with their data below `root` (``var``) and their logs in `root`/log."""

    def __init__(self, root: Path, *, fsync: bool = True) -> None:
        self.postgres = EmbeddedPostgres(root / "postgres", root / "log" / "postgres.log", fsync=fsync)
        self.redis = EmbeddedRedis(root / "redis", root / "log" / "redis.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start PostgreSQL, then Redis; when the second fails the first is stopped. Raises ProcessError."""
        self.postgres.start()
        try:
            self.redis.start()
        except BaseException:
            self.postgres.stop()
            raise

    def stop(self) -> None:
        """Stop both in reverse order; the data stays."""
        self.redis.stop()
        self.postgres.stop()

    def destroy(self) -> None:
        """Stop both and delete their data."""
        self.redis.destroy()
        self.postgres.destroy()

    def environment(self) -> dict[str, str]:
        """The settings that make our other processes use these servers."""
        return {"SCANMILL_DATABASE_URL": self.postgres.url(), "SCANMILL_REDIS_URL": self.redis.url}
