"""Observations: what a tracker saw of a source, frame by frame, kept in one file (``NAME.tracks``)."""
