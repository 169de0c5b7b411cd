"""Records how the files of a run were made, and files derived from them."""
