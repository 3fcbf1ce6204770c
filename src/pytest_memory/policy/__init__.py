"""Records and limits in, verdicts out; pure."""
