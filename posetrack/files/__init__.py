"""Writing files safely: nothing is replaced unasked, and a file has its name only once it is complete."""
