"""Which experts are used by which nodes, and what is shared."""
