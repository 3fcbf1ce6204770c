"""Formats on disk, each with a version and its history."""
