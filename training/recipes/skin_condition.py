"""Which of five findings, on a face that fills the picture: four convolutions."""

from typing import Final

from training.findings import Finding
from training.skin_paint import FINDINGS

FINDING: Final = Finding("skin_condition", tuple(FINDINGS), (24, 48, 96, 128), str)
train, serving, others = FINDING.train, FINDING.serving, FINDING.others
score, measured = FINDING.score, FINDING.measured
