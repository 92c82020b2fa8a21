"""Trainings as work of the service: what cannot be asked for, and what ends a run besides its own errors."""

from __future__ import annotations

from pipeline.errors.families import RequestError, ServiceError


class UnknownRecipe(RequestError, status=422):
    """No worker that trains knows this recipe."""


class TrainingUnavailable(ServiceError):
    """No worker that trains has been started yet."""


class TrainingInterrupted(RequestError, status=409):
    """The training lost its worker or its process too often."""


class TrainingDataInvalid(RequestError, status=422):
    """The training's data are not there, or cannot be used."""


class TrainingExportRefused(RequestError, status=409):
    """The network was trained, but its export cannot be registered."""
