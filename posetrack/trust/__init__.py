"""Says where results come from, and whether they come out the same again."""
