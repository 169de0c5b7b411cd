"""Says where the files of a run come from, and those that other files became."""
