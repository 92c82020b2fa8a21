"""Pages of what scans found, for people. Made of reports alone, so that each system's look the same."""
