"""What follows from the facts: the position, the clocks and the triggers."""
