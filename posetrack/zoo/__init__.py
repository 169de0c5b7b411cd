"""Published weights: their table (``zoo.toml``), the folder they are stored in, and downloads.

The table and the store::

    entry = get_entry("hrnet_w32_coco_256x192")
    path = ModelStore().require(entry, fetch=download)  # without fetch: only if it is already there
    network = load_checkpoint(path, entry.pose_architecture())
"""

from posetrack.zoo.checking import SourceReport, check_sources
from posetrack.zoo.downloads import download
from posetrack.zoo.entries import Accuracy, Entry
from posetrack.zoo.imports import Imported, import_file
from posetrack.zoo.policy import DownloadObserver, DownloadPolicy
from posetrack.zoo.store import ModelStore
from posetrack.zoo.table import ENTRIES_FILE, get_entry, read_entries

__all__ = [
    "ENTRIES_FILE", "Accuracy", "DownloadObserver", "DownloadPolicy", "Entry", "Imported", "ModelStore",
    "SourceReport", "check_sources", "download", "get_entry", "import_file", "read_entries",
]  # fmt: skip
