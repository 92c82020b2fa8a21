"""The seed's second API: the same models behind Ray Serve (rows S3.23, S3.43 and S3.51). Ray is in no lock: ray.txt.

Run: ``python -m bench.load.ray_way --port 8001 [--shape models]``, in an environment of its own. What Ray does not do here: it
stores no picture, no result and no file, checks no key, and a request that was under way in a process that dies is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from bench.load import eyes
from pipeline.errors import ScanmillError

ONGOING = 200
"""Requests that a replica of the front may hold at once; the others wait in Ray's proxy."""


class Reader:
    """One of the seed's three workers: a model with a process of its own."""

    def __init__(self, task: str) -> None:
        self.room, self.task = (
            eyes.open_room(),
            {"gate": eyes.check_eye, "fast": eyes.fast, "strong": eyes.strong}[task],
        )

    def __call__(self, picture: Any) -> Mapping[str, float] | str | None:
        """Chances; of the gate nothing, or the code of its verdict."""
        try:
            return self.task(self.room, picture)
        except ScanmillError as refusal:
            return refusal.code


class Front:
    """Decodes, asks the gate, then both models at once."""

    def __init__(self, gate: Any, fast: Any, strong: Any) -> None:
        self.gate, self.fast, self.strong = gate, fast, strong

    async def __call__(self, request: Request) -> JSONResponse:
        """The seed's answer, or its refusal."""
        if request.method == "GET":
            return health()
        picture = eyes.pixels(await content_of(request))
        refused = await self.gate.remote(picture)
        if refused:
            return JSONResponse({"code": refused}, 422)
        return JSONResponse(
            eyes.ensemble(*await asyncio.gather(self.fast.remote(picture), self.strong.remote(picture)))
        )


class Whole:
    """All models in one process, and as many processes as cores: nothing is handed over. What Ray is best at here."""

    def __init__(self, pipeline: bool) -> None:
        self.room, self.way = eyes.open_room(), eyes.whole_pipeline if pipeline else eyes.models_alone

    async def __call__(self, request: Request) -> JSONResponse:
        """As ``Front``."""
        if request.method == "GET":
            return health()
        content = await content_of(request)
        try:
            return JSONResponse(self.way(self.room, content))
        except ScanmillError as refusal:
            return JSONResponse({"code": refusal.code}, refusal.status)


async def content_of(request: Request) -> bytes:
    """The picture's bytes."""
    return bytes(await (await request.form())["image"].read())


def health() -> JSONResponse:
    """Who serves."""
    return JSONResponse({"version": f"ray {ray.__version__}"})


def deployed(kind: type) -> Any:
    """One of the classes above as Ray serves it."""
    return serve.deployment(max_ongoing_requests=ONGOING)(kind)


def application(shape: str) -> Any:
    """``models``: one process a model, as the seed has it. ``together`` and ``pipeline``: one process a core."""
    if shape == "models":
        return deployed(Front).bind(*(deployed(Reader).bind(task) for task in ("gate", "fast", "strong")))
    cores = os.cpu_count() or 1
    return deployed(Whole).options(num_replicas=cores).bind(shape == "pipeline")


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--shape", choices=("models", "together", "pipeline"), default="models")
    given = parser.parse_args()
    ray.init(include_dashboard=False, num_cpus=8, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": given.port})
    serve.run(application(given.shape))
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
