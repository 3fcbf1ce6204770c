"""What holds for the whole suite."""

from hypothesis import settings

# Machines differ in speed, so no test is timed.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
