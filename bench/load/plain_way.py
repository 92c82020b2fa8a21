"""The seed's first API, done plainly: one process, one picture after the other (rows S3.22 and S3.48).

Run: ``gunicorn -w 1 --threads 128 "bench.load.plain_way:create('onnx')"``. ``keras`` is how the seed calls its networks, with their
framework's ``predict``, as ``bench.seeds_way`` does for cats; ``onnx`` calls our sessions, once loaded; ``reload`` loads them
for every picture ("models loaded once" is what the seed lacks: F37).
"""

from __future__ import annotations

import importlib
import io
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, jsonify, request

from bench.load import eyes
from pipeline.errors import ScanmillError
from pipeline.models.tensors import squash

Way = Callable[[bytes], Mapping[str, Any]]
SIDE = 160


def onnx() -> Way:
    """Our sessions, loaded once."""
    room = eyes.open_room()
    return lambda content: eyes.models_alone(room, content)


def reload() -> Way:
    """The same, opened for each picture."""
    return lambda content: eyes.models_alone(eyes.open_room(), content)


def keras() -> Way:
    """Gate, encoder and strong model as Keras networks of the form that ours have (random weights), and our trees.

    The framework uses all cores inside a pass. The gate's answer is not looked at, so every picture goes all the way.
    """
    networks = importlib.import_module("keras").applications
    room = eyes.open_room()
    bodies = [
        networks.MobileNetV3Small(weights=None, input_shape=(SIDE, SIDE, 3), include_top=False, pooling="avg")
        for _ in range(3)
    ]

    def answer(content: bytes) -> Mapping[str, Any]:
        batch = squash(eyes.pixels(content), (SIDE, SIDE))[None].astype("float32")
        _, vector, _ = (body.predict(batch, verbose=0)[0] for body in bodies)
        chances = eyes.one(room, eyes.FAST, vector)
        return eyes.ensemble(chances, chances)

    return answer


WAYS: dict[str, Callable[[], Way]] = {"onnx": onnx, "reload": reload, "keras": keras}


def create(way: str) -> Flask:
    """The application; whoever comes while a picture is looked at waits."""
    app, answer, turn = Flask(__name__), WAYS[way](), threading.Lock()

    @app.get("/health")
    def health() -> Response:
        return jsonify({"version": f"plain {way}"})

    @app.post("/predict_ensemble")
    def predict_ensemble() -> tuple[Response, int]:
        file = io.BytesIO()
        request.files["image"].save(file)
        with turn:
            try:
                return jsonify(answer(file.getvalue())), 200
            except ScanmillError as refusal:
                return jsonify({"code": refusal.code}), refusal.status

    return app
