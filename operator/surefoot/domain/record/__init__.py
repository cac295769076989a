"""What is kept of what happened: transitions, entries, and their verification."""
