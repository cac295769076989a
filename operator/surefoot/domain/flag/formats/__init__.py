"""How flags are written: one module for each format."""
