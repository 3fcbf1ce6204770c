"""Instruments beside the heap engine: resident memory, children, objects."""
