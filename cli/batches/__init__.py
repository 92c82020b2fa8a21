"""Batches from the command line: what lies in a source, how it gets to the service, and what comes back."""
