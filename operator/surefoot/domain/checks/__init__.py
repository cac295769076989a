"""What blocks: one module for each condition."""
