"""Says whether results come out the same again, and packs them for a paper."""
