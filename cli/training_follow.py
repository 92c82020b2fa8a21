"""Following a training of the service until it is over."""

from __future__ import annotations

import time
from typing import Any

from cli import output, training_view
from cli.client import Client

LOOK_S = 1.0
ENDS = frozenset({"succeeded", "failed", "cancelled"})


def follow(client: Client, training: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """The training as it ended. Ctrl-C ends the looking and nothing else."""
    try:
        with training_view.watching(training["recipe"], as_json) as show:
            while training["state"] not in ENDS:
                progress = training["progress"]
                under_way = training["state"] == "running" and progress.get("state")
                show(under_way or training["state"], progress)
                time.sleep(LOOK_S)
                training = client.training(training["id"])
    except KeyboardInterrupt:
        output.console.print(f"it goes on: scanmill training status {training['id']} --wait", highlight=False)
        raise
    return training
