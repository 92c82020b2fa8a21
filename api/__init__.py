"""HTTP in, rows out: the door of the house."""
