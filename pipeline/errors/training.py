"""Runs of training that cannot be begun, gone on with or ended. No scan is touched by any of these."""

from __future__ import annotations

from pipeline.errors.families import RequestError, ScanmillError


class TrainingFailed(ScanmillError):
    """The training broke off with an error of its own."""


class CheckpointMismatch(RequestError, status=409):
    """The checkpoint is of another run; begin afresh, or in another folder."""


class TrainingDataMissing(RequestError, status=422):
    """The folder of training data lacks a file that this recipe needs."""


class TrainingClassMissing(RequestError, status=422):
    """The training data lacks a class."""


class TrainingTooFewPictures(RequestError, status=422):
    """The training data has too few pictures of a class."""


class TrainingPictureUnreadable(RequestError, status=422):
    """A picture of the training data cannot be read."""


class TrainingLabelsInvalid(RequestError, status=422):
    """The labels of the training data are not as described."""


class TrainingDuplicates(RequestError, status=422):
    """The same picture or group is on two sides of the split, or has two labels."""
