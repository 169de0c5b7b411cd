"""Whole folders of footage: each clip once, whatever happens in between.

``run_batch`` (``coordinator``) finds the clips, plans with what the manifest knows of them, and gives each as a
``ClipTask`` to workers. The manifest alone can be read with ``posetrack.batch.manifest``.
"""
