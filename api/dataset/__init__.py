"""A tenant's pictures that may be used for training, written as one ZIP while it is sent. The command line unpacks it."""
