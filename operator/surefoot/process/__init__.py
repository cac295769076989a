"""The parts of a running operator that go on beside the work on Rollouts."""
