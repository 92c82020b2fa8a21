"""Five networks a scan on two cores: which threads should a session have? `pipeline.models.sessions` rests on this.

Run: ``python -m bench.pools [--network FILE] [--times 20]``. Five sessions of one file stand for five areas with models
of their own, which take ``image`` [N,224,224,3]. A figure is milliseconds a scan by the clock; two processes do two scans in that time, so it is halved.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from bench.house import machine, say
from pipeline.models.sessions import OnnxSession
from pipeline.models.settings import PACKS_ROOT

SESSIONS: Final = 5
SIDE: Final = 224
WAYS: Final = {
    "ours 1": "1 thread each, in turn (our sessions)",
    "ours 2": "2 threads each, no spinning, in turn (our sessions)",
    "spinning 2": "2 threads each, spinning, in turn (the runtime's default)",
    "global 2": "one global pool of 2, spinning, in turn",
    "threads 1": "1 thread each, two Python threads",
    "processes 1": "1 thread each, two processes",
}
TURNS: Final = 3
READY: Final = "ready\n"


def measure(content: bytes, times: int) -> dict[str, object]:
    """Every way in processes of its own, because a global pool is set once a process; in turns, the least counts."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="scanmill-pools-") as folder:
        file = Path(folder) / "network.onnx"
        file.write_bytes(content)
        for turn in range(TURNS):
            say(f"thread pools, turn {turn + 1} of {TURNS}")
            for way, figures in found.items():
                figures.append(_in_new_processes(way, file, times))
    told = {WAYS[way]: round(min(figures), 1) for way, figures in found.items()}
    return {"ms_per_scan": told, "load": os.getloadavg()[0], "machine": machine()}


def _in_new_processes(way: str, file: Path, times: int) -> float:
    count = 2 if way.startswith("processes") else 1
    command = [sys.executable, "-m", "bench.pools", "--network", str(file), "--times", str(times), "--way", way]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        children = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)) for _ in range(count)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == READY
        # Each reads one line when it has loaded, so that they begin together.
        found = [float(answer) for answer in _answers(children)]
    return sum(found) / count**2


def _answers(children: list[subprocess.Popen[str]]) -> list[str]:
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [child.communicate()[0] for child in children]


def scans(way: str, content: bytes, times: int) -> float:
    """Milliseconds of the middle one of ``times`` scans, in this process."""
    kind, threads = way.split()
    if kind == "global":
        onnxruntime.set_global_thread_pool_sizes(int(threads), 1)
    asks = [_ask(kind, int(threads), content) for _ in range(SESSIONS)]
    with ThreadPoolExecutor(2) as two:
        spent = []
        for turn in range(times + 1):
            began = time.perf_counter()
            list(two.map(lambda ask: ask(), asks) if kind == "threads" else (ask() for ask in asks))
            spent.append(time.perf_counter() - began)
            if not turn:
                print(READY, end="", flush=True)
                sys.stdin.readline()
    return sorted(spent[1:])[times // 2] * 1000


def _ask(kind: str, threads: int, content: bytes) -> Callable[[], object]:
    """One network's forward pass over one picture of noise."""
    noise = np.random.default_rng(0).uniform(-1, 1, (1, SIDE, SIDE, 3)).astype(np.float32)
    if kind in ("ours", "threads", "processes"):
        ours = OnnxSession(content, threads=threads)
        return partial(ours.run, "image", noise, sorted(ours.output_names))
    options = onnxruntime.SessionOptions()
    if kind == "global":
        options.use_per_session_threads = False
    else:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"image": noise})


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=Path, default=PACKS_ROOT / "starter" / "cat_areas.onnx")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--way", choices=WAYS, help="only this one, in this process, once a line has been read")
    given = parser.parse_args()
    content = given.network.read_bytes()
    print(scans(given.way, content, given.times) if given.way else json.dumps(measure(content, given.times)))


if __name__ == "__main__":
    main()
