"""What stages found, in a few words and a tone, for pictures that people look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.stage import Json, Need


def title(needs: Mapping[str, Need]) -> str:
    """What was found before the regions, in one line."""
    subject, face, landmarks = (needs.get(n) for n in ("validate_subject", "detect_face", "detect_landmarks"))
    mock = any(model.get("mock") for need in needs.values() for model in need.provenance.get("models", {}).values())
    said = ["MOCK MODEL"] if mock else []
    said += [f"{words(subject.data['subject'])} {subject.data['probability']:.0%}"] if subject and subject.ok else []
    if face is not None:
        on = "cut-out" if face.data["detected_on"] == "cutout" else "original"
        said.append(f"face {face.data['confidence']:.2f}, found on the {on}")
    if landmarks is not None:
        said.append(_landmarks(landmarks))
    return "   ·   ".join(said)


def _landmarks(need: Need) -> str:
    if need.ok:
        return f"landmarks {need.data['confidence']:.2f}"
    return f"landmarks: {need.code}{', ' + need.data['reason'] if 'reason' in need.data else ''}"


def answer(asked: Need | None) -> str:
    """A region's finding, or why there is none."""
    if asked is not None and asked.ok:
        return f"{words(asked.data['label'])} {asked.data['confidence']:.0%}"
    return words(asked.code).lower() if asked is not None and asked.code else "no answer"


def map_shows(maps: Need | None, region: str) -> str:
    """What a region's heat map shows, to be appended; empty where there is none."""
    found: Mapping[str, Json] = maps.data["heatmaps"] if maps is not None else {}
    if region not in found:
        return ""
    label = found[region]["label"]
    if found[region]["quality"]["flat"]:
        return "; map points nowhere"
    return f"; for {words(label)}" if label else ""


def tone(found: Need | None, healthy: str) -> str:
    """How a region's finding is coloured; None: there is none."""
    if found is None:
        return "plain"
    if found.data["needs_review"]:
        return "unsure"
    return "good" if found.data["label"] == healthy else "bad"


def words(name: str) -> str:
    """A name as people write it."""
    return name.replace("_", " ")
