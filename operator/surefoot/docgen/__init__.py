"""What docs/ has that is made from the code."""
