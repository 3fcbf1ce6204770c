"""Measure, limit, explain and compare the memory of every test."""

__version__ = "0.1.0"
