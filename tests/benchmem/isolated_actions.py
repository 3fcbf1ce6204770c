"""Actions for passes in a process of their own: they have to be found by name there."""

import os
import signal
import sys


class TwoArguments(Exception):
    """Pickles, and cannot be unpickled: its constructor wants more than it hands on."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.second = second


def ten_thousand_tuples():
    return [(n, n) for n in range(10_000)]


def hold(size):
    return bytearray(size)


def arguments():
    return (50_000_000,), {}


def fail_with_large_message():
    raise ValueError("x" * 1_000_000)


def fail_with_two_arguments():
    raise TwoArguments("one", "two")


def fail_with_local_class():
    class Local(Exception):
        pass

    raise Local("nobody can find my class")


def leave():
    sys.exit(3)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def write_much():
    sys.stdout.write("o" * 300_000)
    sys.stderr.write("e" * 300_000)
