"""The decision core: pure functions over frozen facts. No I/O, no clock, no logging."""
