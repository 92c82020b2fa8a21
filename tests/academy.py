"""A whole service with one worker that trains, as its command line sees it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from cli.main import build
from cli.processes import descendants
from tests.servers.house import command_line
from tests.stack import Stack

PATIENCE_S = 400
"""A training takes half a minute here, and a machine may be busy with others."""

LOOK_S = 0.2


class Academy:
    """A stack with one worker that trains, and the command line that talks to it."""

    def __init__(self, stack: Stack, data: Path) -> None:
        self.stack = stack
        self.data = data
        key = stack.key(stack.tenant("one"))
        self.settings = {"SCANMILL_API_URL": stack.url, "SCANMILL_API_KEY": key, **stack.environment}

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(build(words[0]), [*words, "--json"], env=self.settings)

    def said(self, *words: str) -> dict[str, Any]:
        done = self.run(*words)
        assert done.exit_code == 0, f"{done.output}\n{self.stack.last_words()}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def is_taught(self) -> bool:
        """Whether the trainer has announced its recipes."""
        time.sleep(LOOK_S)
        asked = self.run("training", "recipes")
        return asked.exit_code == 0 and bool(json.loads(asked.stdout))

    def status(self, training_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("training", "status", training_id).stdout)
        return answer

    def await_(self, training_id: str, state: str, step: int = 0) -> list[dict[str, Any]]:
        """What was seen of a training until it was in that state and at that step."""
        seen = [self.status(training_id)]
        ends = time.monotonic() + PATIENCE_S
        while seen[-1]["state"] != state or seen[-1]["progress"].get("step", 0) < step:
            assert seen[-1]["state"] != "failed" and time.monotonic() < ends, f"{seen[-1]}\n{self.stack.last_words()}"
            time.sleep(LOOK_S)
            seen.append(self.status(training_id))
        return seen

    def trainings(self) -> list[int]:
        """Processes that train, and those that draw their pictures."""
        return [
            pid
            for process in self.stack.processes.values()
            for pid in descendants(process.pid)
            if "training.run" in command_line(pid)
        ]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
