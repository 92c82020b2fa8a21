"""Acne or none, on a face that fills the picture: three convolutions. Every other finding counts as none."""

from typing import Final

from training.findings import Finding
from training.recipes import skin_condition

FINDING: Final = Finding(
    name="skin_acne",
    labels=("no_acne", "acne"),
    channels=(24, 48, 96),
    label=lambda finding: "acne" if finding == "acne" else "no_acne",
    after=skin_condition.FINDING,
)
train, serving, others = FINDING.train, FINDING.serving, FINDING.others
score, measured = FINDING.score, FINDING.measured
