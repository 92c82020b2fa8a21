"""Training as work of the service: a run of the ledger becomes a process, its files go to storage, its models are registered."""
