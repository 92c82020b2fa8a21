"""A scanpack: an ended batch as one signed ZIP that is the same to the byte whenever it is asked for."""
