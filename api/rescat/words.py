"""The seed's words for ours: codes, buckets, areas. One table each; what the seed has no word for keeps ours."""

from __future__ import annotations

from pipeline import errors
from pipeline.errors import ScanmillError

AREAS = ("left_eye", "right_eye", "left_ear", "right_ear", "mouth")

CODES: dict[str, tuple[type[ScanmillError], ...]] = {
    "NOT_A_CAT": (errors.NotACat,),
    "NO_FACE_DETECTED": (errors.NoFaceDetected,),
    "LANDMARK_DETECTION_FAILED": (errors.LandmarkDetectionFailed,),
    "CLASSIFICATION_ERROR": (
        errors.RegionOutsideImage,
        errors.ModelOutputInvalid,
        errors.ModelOutOfMemory,
        errors.ModelRunFailed,
    ),
    "STORAGE_ERROR": (
        errors.StorageUnavailable,
        errors.InputMissing,
        errors.InputCorrupt,
        errors.WorkerDiskFull,
    ),
    "INVALID_IMAGE_URL": (
        errors.UrlInvalid,
        errors.UrlSchemeNotAllowed,
        errors.UrlCredentialsNotAllowed,
        errors.UrlPortNotAllowed,
        errors.UrlAddressNotAllowed,
        errors.UrlRedirectNotAllowed,
        errors.UrlTooManyRedirects,
        errors.UrlContentEncodingNotAllowed,
        errors.UrlLengthMismatch,
        errors.UrlFetchFailed,
        errors.UrlTimeout,
        errors.UrlHttpStatus,
        errors.UrlTlsFailed,
    ),
    "MODEL_LOAD_ERROR": (errors.ModelLoadError, errors.ModelUnavailable),
}
"""The seed's code → what it stands for here. The whole difference between the two taxonomies."""

_SEEDS = {error.code: seeds for seeds, ours in CODES.items() for error in ours}

_AREA_BUCKETS = {f"{area}_crop": f"crop_{area}" for area in AREAS}
_BUCKETS = {
    "original-photo": "original",
    "remove-bg": "cutout",
    "roi-face-cat": "face",
    "preview-bounding-box": "preview",
    **_AREA_BUCKETS,
}
HEATMAPS = "result"
BUCKETS = (*_BUCKETS, HEATMAPS)
"""The seed's buckets. Nothing lies in them: they are names for artifacts, which lie under their SHA-256."""


def seed_code(code: str) -> str:
    """The seed's code for one of ours; ours where the seed has none."""
    return _SEEDS.get(code, code)


def sentence(code: str) -> str:
    """What a client is told of a code."""
    error = errors.taxonomy().get(code)
    return error().public_message if error is not None else errors.PLAIN_CODES[code]


def artifact_in(bucket: str, area: str | None) -> str | None:
    """The artifact that a bucket's file is; None when there is no such bucket, or it has no files of areas."""
    if bucket == HEATMAPS:
        return f"heatmap_{area}" if area in AREAS else None
    return _BUCKETS.get(bucket) if area is None else None


def place_of(artifact: str) -> tuple[str, str | None] | None:
    """Bucket and area of an artifact; None for what the seed keeps nowhere."""
    kind, _, area = artifact.partition("_")
    if kind == "heatmap":
        return HEATMAPS, area
    return next(((bucket, None) for bucket, name in _BUCKETS.items() if name == artifact), None)
