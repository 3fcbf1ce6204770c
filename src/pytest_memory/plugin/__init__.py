"""The plugin proper: loaded by :mod:`pytest_memory.entry` when something of ours is wanted, each part when it is."""
