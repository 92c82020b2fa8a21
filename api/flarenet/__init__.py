"""The thermal system's own calls: ``/api/v1/detect-anomaly``, ``/api/v1/batch-detect`` and ``/api/v1/model-info``."""
