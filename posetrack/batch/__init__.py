"""Whole folders of footage: each clip once, whatever happens in between."""
