"""Medians, spreads and noise tests; pure."""
