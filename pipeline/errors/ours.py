"""What went wrong on our side: models, storage, database, workers."""

from __future__ import annotations

from pipeline.errors.families import ScanmillError, ServiceError


class ModelOutputInvalid(ScanmillError):
    """The model's answer was not valid and was thrown away."""


class ModelOutOfMemory(ScanmillError):
    """Memory ran out while a model worked on the picture."""


class ModelRunFailed(ScanmillError):
    """A model broke off while it worked on the picture."""


class ModelLoadError(ServiceError):
    """A model could not be loaded."""


class ModelUnavailable(ServiceError):
    """A model that this scan needs is not available."""


class StorageUnavailable(ServiceError):
    """Storage or database is away; try again a little later."""


class ConverterUnavailable(ServiceError):
    """What converts this kind of model is not installed here."""


class DecoderUnavailable(ServiceError):
    """The picture decoder is away; try again a little later."""


class WorkerDiskFull(ServiceError):
    """The worker's disk is full."""


class PoisonInput(ScanmillError):
    """Working on this picture ended the worker again and again."""


class AttemptsExhausted(ScanmillError):
    """The stage was tried too often without an answer."""


class StageTimeout(ScanmillError):
    """The stage ran past its deadline."""
