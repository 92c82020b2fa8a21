"""The cat seed's own endpoints: its addresses, fields and codes, over the same scans as ``/v1``."""
