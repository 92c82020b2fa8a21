"""Following scans of a service that this process keeps running, with a live board or lines in a log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.live import Live

from cli import output
from cli.client import Client
from cli.demo import board
from cli.demo.follow import Progress, follow
from cli.demo.samples import Sample
from cli.local import LocalService
from cli.verbs.up import tell


def watched(service: LocalService, client: Client, pictures: Sequence[Sample], *, keep: bool = True) -> Progress:
    """Follow with a live board on a terminal, and with a line every two seconds in a log. `keep`: see `follow`."""
    if output.console.is_terminal:
        with Live(console=output.console, auto_refresh=False, transient=False) as live:

            def show(progress: Progress) -> None:
                service.tick()
                live.update(board.board(progress), refresh=True)

            return follow(client, pictures, show, keep=keep)
    said = ""

    def log(progress: Progress) -> None:
        nonlocal said
        service.tick()
        at = f"{progress.seconds // 2:.0f} {progress.done}"
        if at != said:
            said = at
            tell(board.line(progress))

    return follow(client, pictures, log, keep=keep)
