"""A LightGBM text, which is served as it is, first tried inside the child: its C++ reader trusts what the text says."""

from __future__ import annotations

import lightgbm
import numpy as np

from training.convert.numbers import INPUT, OUTPUT, vectors
from training.convert.opened import open_session
from training.convert.trial import one_by_one
from training.convert.wire import Frame


def rehearse() -> None:
    """Train a small model of ours, open it and ask it."""
    rows = np.arange(40.0).reshape(20, 2)
    data = lightgbm.Dataset(rows, label=rows[:, 0] > 20, params={"verbose": -1})
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2}
    text = lightgbm.train(settings, data, num_boost_round=1).model_to_string()
    answer(Frame({}, {}, {"model": text.encode()}))


def answer(request: Frame) -> Frame:
    """What the model answers to our vectors, which are made on both sides alike. Raises ModelLoadError."""
    session = open_session("lightgbm", request.files["model"])
    (found,) = one_by_one(lambda one: session.run(INPUT, one, [OUTPUT]).values(), vectors(session))
    facts = {"input": {"name": INPUT}, "outputs": [OUTPUT], "by": f"lightgbm {lightgbm.__version__}"}
    return Frame(facts, {OUTPUT: found})
