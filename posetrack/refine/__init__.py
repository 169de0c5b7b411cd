"""The second pass: tracks of a whole clip, refined with what came before and after each frame."""
