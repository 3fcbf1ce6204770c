"""Tests whose numbers are the same in every process: copied beside a session of their own by test_repeatability.py."""

import json
import re

import pytest


def lists():
    return [[number] for number in range(5_000)]


def dicts():
    return {str(number): number for number in range(5_000)}


def texts():
    return json.loads(json.dumps([{"name": f"n{number}", "values": [number] * 5} for number in range(500)]))


def patterns():
    return re.findall(r"(\w+)-(\d+)", "abc-123 de-4 " * 1_000)


def buffers():
    return [bytes(1000 * number) for number in range(100)]


class Node:
    """Made once: the interpreter's table of all subclasses of ``object`` grows with classes, at times by 37 KB."""

    def __init__(self, number):
        self.name, self.links = f"node {number}", {number, number + 1}


def mixed():
    """Objects with attributes, sets and exceptions."""
    failures = []
    for number in range(200):
        try:
            int(f"x{number}")
        except ValueError as error:
            failures.append(str(error))
    return [Node(number) for number in range(1_000)], failures


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("work", [lists, dicts, texts, patterns, buffers, mixed], ids=lambda work: work.__name__)
def test_work(work, turn):
    work()


def test_names():
    """Names made at run time, looked up as parsers look up their methods."""
    for number in range(5_000):
        getattr(Node, f"visit_{number % 500}", None)
