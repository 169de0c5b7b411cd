"""Safe writing: no file is replaced without --overwrite, and files get their names once they are complete."""
