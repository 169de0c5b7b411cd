"""Tracks whole folders of footage: each clip once, even if the batch is interrupted.

``coordinator.run_batch`` finds the clips, looks up in the manifest which are done, and hands the others to workers
as ``ClipTask``s. ``manifest.Manifest`` reads the manifest on its own.
"""
