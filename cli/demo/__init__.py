"""What `scanmill demo` shows: sample pictures, live progress, a table, a page."""
