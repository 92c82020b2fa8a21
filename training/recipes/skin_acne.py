"""Acne or none, on a face that fills the picture: three convolutions. Every other finding counts as none."""

from typing import Final

from training.findings import Finding

FINDING: Final = Finding(
    "skin_acne", ("no_acne", "acne"), (24, 48, 96), lambda finding: "acne" if finding == "acne" else "no_acne"
)
train, serving, others = FINDING.train, FINDING.serving, FINDING.others
score, measured = FINDING.score, FINDING.measured
