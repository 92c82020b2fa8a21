"""Latency of ``POST /v1/scans`` in an open loop: requests start on time, whether or not earlier ones have ended.

Run: ``python -m bench.submit_latency [--rate 50] [--seconds 20]``. The pictures are distinct JPEGs of about 100 KB; the
workers are idle (stopped), so that the figure is the API's and the ledger's alone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from bench.house import House, house, machine, percentile, say
from cli import processes

THREADS = 64
WARM_UP = 50


def jpeg(seed: int, size: int = 100_000) -> bytes:
    """A noise picture whose JPEG has about ``size`` bytes; every seed gives another one."""
    noise = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    return file.getvalue().ljust(size, b"\0")


def measure(rate: float, seconds: float) -> dict[str, object]:
    """Latencies in milliseconds, from the moment a request should have started to the end of its answer."""
    pictures = [jpeg(seed) for seed in range(int(rate * seconds) + WARM_UP)]
    with house(slots=1) as place:
        _signal_workers(signal.SIGSTOP)
        _submit_all(place, pictures[:WARM_UP], rate)
        say(f"{rate:g} requests per second for {seconds:g} s")
        latencies = _submit_all(place, pictures[WARM_UP:], rate)
        _signal_workers(signal.SIGCONT)
    return {
        "rate": rate,
        "requests": len(latencies),
        "bytes": len(pictures[0]),
        **{f"p{int(share * 100)}_ms": round(percentile(latencies, share), 1) for share in (0.5, 0.9, 0.99)},
        "max_ms": round(max(latencies), 1),
        "machine": machine(),
    }


def _signal_workers(number: signal.Signals) -> None:
    for pid in processes.descendants(os.getpid()):
        if b"celery" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)


def _submit_all(place: House, pictures: list[bytes], rate: float) -> list[float]:
    headers = {"Authorization": f"Bearer {place.service.key}"}
    url = f"{place.service.url}/v1/scans"
    latencies: list[float] = []
    lock = threading.Lock()
    with httpx.Client(headers=headers, timeout=30, limits=httpx.Limits(max_connections=THREADS)) as client:

        def submit(picture: bytes, due: float) -> None:
            answer = client.post(url, files={"file": ("cat.jpg", picture, "image/jpeg")})
            with lock:
                latencies.append((time.perf_counter() - due) * 1000)
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text

        with ThreadPoolExecutor(THREADS) as pool:
            due, chance = time.perf_counter(), random.Random(1)
            futures = []
            for picture in pictures:
                due += chance.expovariate(rate)
                time.sleep(max(0.0, due - time.perf_counter()))
                futures.append(pool.submit(submit, picture, due))
            for future in futures:
                future.result()
    return latencies


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    print(json.dumps(measure(given.rate, given.seconds)))


if __name__ == "__main__":
    main()
