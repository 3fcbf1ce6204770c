"""Public figures (lazy plotly)."""
