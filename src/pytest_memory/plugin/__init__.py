"""The plugin proper: :mod:`pytest_memory.declaration` loads it when something of ours is wanted, and each part then."""
