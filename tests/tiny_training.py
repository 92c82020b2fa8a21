"""A training without networks that keeps the contract of ``python -m training.run``: for tests of whoever runs one.

What it does stands in ``act.json`` in its data: ``steps``, ``step_s``, ``every`` (steps between checkpoints), ``fail`` (last
words), ``die_at`` (step at which it kills itself), ``deaf`` (SIGTERM is not heard), ``export`` (files it leaves),
``half`` (a file made before the first step, that it needs when it goes on), ``other_machine`` (no checkpoint fits).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

stopping = False


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    for name in ("data", "out", "progress"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--train-only", action="store_true")
    for name in ("budget", "threads", "processes", "seed"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    act = {"steps": 20, "step_s": 0.05, "every": 5} | json.loads((given.data / "act.json").read_text())
    signal.signal(signal.SIGTERM, signal.SIG_IGN if act.get("deaf") else stop)
    print("begun")
    if "fail" in act:
        print(act["fail"], file=sys.stderr)
        return 1
    return train(given, act)


def stop(*_: Any) -> None:
    global stopping  # noqa: PLW0603  a signal handler has nothing else to change
    stopping = True


def train(given: argparse.Namespace, act: dict[str, Any]) -> int:
    checkpoint = given.out / f"{given.recipe}.checkpoint"
    step = int(checkpoint.read_text()) if given.resume and checkpoint.exists() else 0
    began = step
    if act.get("other_machine") and step:
        print("error: CHECKPOINT_MISMATCH It differs.", file=sys.stderr)
        return 1
    if act.get("half") and not step:
        (given.out / "half").write_text("made early")
    if act.get("half"):
        assert (given.out / "half").read_text() == "made early"
    while step < act["steps"]:
        time.sleep(act["step_s"])
        step += 1
        tell(given, "training", step, act["steps"], loss=1 / step)
        if act.get("die_at") == step:
            os.kill(os.getpid(), signal.SIGKILL)
        if stopping or step % act["every"] == 0:
            write(checkpoint, str(step))
        if stopping:
            return 75
    for name, text in act.get("export", {"weights": "w"}).items():
        (given.out / name).write_text(f"{text} from {began}")
    checkpoint.unlink(missing_ok=True)
    tell(given, "done", step, act["steps"], metrics=[{"name": "score", "value": 0.5, "n": 3}])
    return 0


def tell(given: argparse.Namespace, state: str, step: int, steps: int, **more: Any) -> None:
    facts = {"state": state, "stage": 1, "stages": 1, "step": step, "steps": steps, "eta_s": (steps - step) * 0.05}
    write(given.progress, json.dumps(facts | more | {"files": sorted(each.name for each in given.out.iterdir())}))


def write(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text)
    partial.replace(file)


if __name__ == "__main__":
    sys.exit(main())
