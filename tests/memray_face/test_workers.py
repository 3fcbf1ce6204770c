"""The whole family over two workers of pytest-xdist: every flag, ini key and marker, in a few runs."""

import re

import pytest

from .conftest import LIMITED, SUITE, report_of

pytest.importorskip("memray")


def test_every_flag(run, pytester):
    """One report, one prefix, one directory, and each flag's effect, whatever process ran the test."""
    pytester.makepyfile(
        test_suite=SUITE + "\n@pytest.mark.limit_memory('1 MB')\ndef test_over():\n    block = allocate(2_000_000)\n"
    )
    result = run(
        "--memray",
        "--most-allocations=2",
        "--memray-bin-path=dumps",
        "--memray-bin-prefix=pre",
        "--stacks=3",
        "--native",
        "--trace-python-allocators",
        workers=True,
    )
    result.assert_outcomes(passed=3, failed=1)
    text = report_of(result)
    assert re.findall(r"^Allocation results for test_suite\.py::(\w+) at", text, re.M) == ["test_large", "test_medium"]
    assert "Measured by the memray engine, counting every Python object" in text
    assert f"Created 4 binary dumps at {pytester.path / 'dumps'} with prefix pre" in text
    assert sorted(path.name for path in (pytester.path / "dumps").iterdir()) == [
        f"pre-test_suite.py-test_{name}.bin" for name in ("large", "medium", "over", "small")
    ]
    listing = result.stdout.str().split("List of allocations:")[1]
    frames = listing.split("allocated here:\n", 2)[1].splitlines()
    if "stripped of its symbols" not in result.stdout.str():
        assert re.search(r"- allocate:.*test_suite\.py:7 -> 5\.7MiB", text)
        assert re.fullmatch(r" {8}\w+:.*\.[ch]:\d+", frames[0])  # --native: C below Python
        assert frames[3].strip() == "..."  # --stacks=3


def test_every_ini_key(run, pytester):
    """Over workers too the keys count without any flag; a prefix nobody named is the same in all workers."""
    many = "".join(f"    blocks.append(bytes({100_000 + n}))\n" for n in range(12))
    pytester.makepyfile(
        test_suite=SUITE + f"\n@pytest.mark.limit_memory('1 MB')\ndef test_over():\n    blocks = []\n{many}"
    )
    keys = {
        "memray": "true",
        "most_allocations": "1",
        "memray_bin_path": "dumps",
        "stacks": "2",
        "native": "true",
        "trace_python_allocators": "true",
        "verbosity_memray": "2",
    }
    pytester.makeini("\n".join(["[pytest]", *(f"{key} = {value}" for key, value in keys.items())]))
    result = run(workers=True)
    result.assert_outcomes(passed=3, failed=1)
    text = report_of(result)
    assert re.findall(r"^Allocation results for test_suite\.py::(\w+) at", text, re.M) == ["test_large"]
    assert "Measured by the memray engine, counting every Python object" in text
    assert result.stdout.str().count("allocated here:") >= 12  # verbosity_memray
    prefixes = {path.name.partition("-")[0] for path in (pytester.path / "dumps").iterdir()}
    assert f"Created 4 binary dumps at {pytester.path / 'dumps'} with prefix {prefixes.pop()}" in text
    assert not prefixes
    frames = result.stdout.str().split("allocated here:\n", 2)[1].splitlines()
    if "stripped of its symbols" not in result.stdout.str():
        assert re.fullmatch(r" {8}\w+:.*\.[ch]:\d+", frames[0])  # native
        assert frames[2].strip() == "..."  # stacks = 2


def test_every_marker(run, pytester):
    """Limits, leaks, filters and both markers on one test, with sections and letters as in one process."""
    pytester.makepyfile(test_limited=LIMITED)
    result = run("-rA", workers=True)
    result.assert_outcomes(passed=3, failed=4)
    text = result.stdout.str()
    for name in ("over", "leaks", "two_markers_limit_breaks", "two_markers_leak_breaks"):
        assert f"MEMORY PROBLEMS test_limited.py::test_{name} - " in text
    for name in ("within", "leaks_little", "leak_is_filtered"):
        assert f"PASSED test_limited.py::test_{name}" in text
    assert text.count("- memray-max-memory -") == text.count("- memray-leaked-memory -") == 2


def test_fail_on_increase_and_hiding(run, pytester):
    """The marks of the last run are shared by all workers, whatever sets the flag; hiding leaves the report out."""
    source = "import pytest\n@pytest.mark.limit_memory('24 MB')\ndef test_it(): block = bytearray({size})\n"
    flags = ("--memray", "--hide-memray-summary", "--fail-on-increase")
    pytester.makepyfile(test_suite=source.format(size=2_000_000))
    run(*flags, workers=True).assert_outcomes(passed=1)
    pytester.makepyfile(test_suite=source.format(size=4_000_000))
    by_flags = run(*flags, workers=True)
    pytester.makeini("[pytest]\nmemray = true\nhide_memray_summary = true\nfail_on_increase = true\n")
    for result in (by_flags, run(workers=True)):
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*Test previously used 1.9MiB but now uses 3.8MiB*"])
        assert "MEMRAY REPORT" not in result.stdout.str()
