"""What connects decisions to the world: ports, gathering facts, executing plans."""
