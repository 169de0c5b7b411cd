"""Benchmark: tracks the images of a PoseTrack tree, writes predictions and evaluates them."""

from posetrack.benchmark.running import BenchmarkRow, run_benchmark
from posetrack.benchmark.settings import BenchmarkConfig, Setting

__all__ = ["BenchmarkConfig", "BenchmarkRow", "Setting", "run_benchmark"]
