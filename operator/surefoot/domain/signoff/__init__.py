"""Signing off: requests to people, their decisions, and the rules by which these count."""
