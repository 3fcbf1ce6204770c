"""Heap engines behind one Protocol; nothing is imported until :mod:`.choose` is asked for an engine."""
