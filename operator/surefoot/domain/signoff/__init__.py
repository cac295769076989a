"""What people decide: requests, decisions, and what counts."""
