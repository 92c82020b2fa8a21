"""The benchmark of a large batch is a check too: it ends with an error where a line is lost, doubled or told wrongly."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cli.supervisor import child_environment


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_thousand_lines_survive_kills_of_api_control_and_workers() -> None:
    command = [sys.executable, "-m", "bench.batch_scale", "--items", "2000", "--kills", "8"]
    done = subprocess.run(command, env=child_environment({}), capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["items"], found["succeeded"], found["refused"]) == (2000, 1800, 200)
    assert sum(found["killed"].values()) >= 6, "a process that is dead already is not killed again"
    assert all(held["end"] < held["half"] * 1.3 for held in found["memory_mb"].values())
