"""The skin and hair system's own call: ``POST /api/v1/analyze``."""
