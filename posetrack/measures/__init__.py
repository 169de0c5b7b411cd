"""Measures of refined clips: joint angles, segments, speeds, steps, distances; as tables and pictures."""
