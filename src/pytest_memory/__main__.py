"""``python -m pytest_memory`` is the command line."""

from pytest_memory.cli import main

main()
