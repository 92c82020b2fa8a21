"""The skincare system's own calls: announce a scan, send its picture, ask for its results."""
