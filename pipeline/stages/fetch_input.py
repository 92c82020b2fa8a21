"""Bring the scan's bytes in: from the upload, a URL or an object key; the runner knows which."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.settings import PipelineSettings
from pipeline.sniff import MEDIA_TYPES, sniff
from pipeline.stage import File, Models, Stage, StageAnswer, StageInput, StageOutput, each


@dataclass(frozen=True, kw_only=True)
class FetchInput(Stage):
    """The picture as it came, byte for byte. What is no picture we take is not kept: a URL may return a web page."""

    kind: ClassVar = "fetch_input"
    deadline_s: ClassVar = 120.0

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{size, sha256}`` and the artifact ``original``. Fails with the codes of fetching and of headers."""
        return each(_answer, items)


def _answer(item: StageInput) -> StageOutput:
    content = item.source()
    header = sniff(content, len(content), PipelineSettings().image_limits)
    data = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return StageOutput(data, {"original": File(content, MEDIA_TYPES[header.format])})
