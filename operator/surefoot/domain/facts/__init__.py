"""What is known: frozen facts about one Rollout, and how to read them."""
