"""Public version sweeps (uv)."""
