"""The commands with their options. What does the work is loaded once it is known what to do."""
