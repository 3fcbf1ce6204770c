"""Captures for the memray command line."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.plugin.dumps import Dumps

from .conftest import SUITE

memray = pytest.importorskip("memray")


def test_each_measured_test_leaves_a_capture_that_memray_reads(run, pytester):
    """``--memray-bin-path`` and ``-prefix``: one file per test, its name as pytest-memray makes it, one prefix."""
    pytester.makepyfile(test_suite=SUITE)
    result = run("--memray", "--memray-bin-path=made/dumps", "--memray-bin-prefix=pre")
    directory = pytester.path / "made" / "dumps"
    names = sorted(path.name for path in directory.iterdir())
    assert names == [f"pre-test_suite.py-test_{size}.bin" for size in ("large", "medium", "small")]
    result.stdout.fnmatch_lines([f"Created 3 binary dumps at {directory} with prefix pre"])
    with memray.FileReader(directory / names[0]) as reader:
        assert reader.metadata.peak_memory >= 6_000_000
    summary = subprocess.run(
        [sys.executable, "-m", "memray", "summary", str(directory / names[0])], capture_output=True, text=True
    )
    assert summary.returncode == 0, summary.stderr
    assert "allocate" in summary.stdout


def test_without_a_prefix_a_run_makes_up_one(run, pytester):
    """The summary names it."""
    pytester.makepyfile(test_suite=SUITE)
    result = run("--memray", "--memray-bin-path=dumps")
    prefixes = {path.name.partition("-")[0] for path in (pytester.path / "dumps").iterdir()}
    assert len(prefixes) == 1
    result.stdout.fnmatch_lines([f"Created 3 binary dumps at * with prefix {prefixes.pop()}"])


def test_in_the_ini_file(run, pytester):
    """``memray_bin_path`` and ``memray_bin_prefix`` do what the flags do."""
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeini("[pytest]\nmemray = true\nmemray_bin_path = dumps\nmemray_bin_prefix = pre\n")
    run().assert_outcomes(passed=3)
    assert len(list((pytester.path / "dumps").glob("pre-*.bin"))) == 3


def test_a_second_run_replaces_the_captures(run, pytester):
    """The same prefix again is no error."""
    pytester.makepyfile(test_suite=SUITE)
    for _ in range(2):
        run("--memray", "--memray-bin-path=dumps", "--memray-bin-prefix=pre").assert_outcomes(passed=3)
    assert len(list((pytester.path / "dumps").iterdir())) == 3


def test_without_memray_only_tests_with_markers_leave_one(run, pytester):
    """A limit is measured without any flag, and its capture kept where asked."""
    pytester.makepyfile(
        test_suite="import pytest\n@pytest.mark.limit_memory('5 MB')\ndef test_a(): bytearray(9)\ndef test_b(): pass\n"
    )
    run("--memray-bin-path=dumps", "--memray-bin-prefix=pre").assert_outcomes(passed=2)
    assert [path.name for path in (pytester.path / "dumps").iterdir()] == ["pre-test_suite.py-test_a.bin"]


def test_very_long_names_fit_the_file_system(run, pytester):
    """A parametrised test with a huge id gets a capture, and no two share one."""
    pytester.makepyfile(
        test_suite="import pytest\n@pytest.mark.parametrize('text', ['é' * 300 + 'a', 'é' * 300 + 'b'])\n"
        "def test_it(text): bytearray(1_000_000)\n"
    )
    run("--memray", "--memray-bin-path=dumps").assert_outcomes(passed=2)
    assert len(list((pytester.path / "dumps").iterdir())) == 2


@given(st.text(st.characters(exclude_characters="\0"), max_size=400), st.text(max_size=60))
def test_a_name_never_exceeds_255_bytes_nor_leaves_its_directory(tmp_path_factory, nodeid, prefix):
    """Whatever the node id, the capture is one component of a path, and ends in ``.bin``."""
    path = Dumps(tmp_path_factory.getbasetemp(), prefix.replace("/", "")).path(nodeid)
    assert path.parent == tmp_path_factory.getbasetemp()
    assert len(path.name.encode()) <= 255
    assert path.name.endswith(".bin")


def test_long_names_that_differ_only_at_the_end_stay_different(tmp_path):
    """The digest is of the whole name."""
    dumps = Dumps(tmp_path, "p")
    assert dumps.path("a" * 400 + "1") != dumps.path("a" * 400 + "2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memray-bin-path=taken"], "*--memray-bin-path: *taken' is not a directory*"),
        (["--memray-bin-path=taken/below"], "*--memray-bin-path: *taken' is not a directory*"),
        (["--memray-bin-path=d", "--memray-bin-prefix=a/b"], "*--memray-bin-prefix: 'a/b' is not the beginning*"),
    ],
)
def test_a_place_that_cannot_be_used_is_a_usage_error(run, pytester, arguments, message):
    """Before the first test, with the path and what to write instead."""
    (pytester.path / "taken").write_text("")
    pytester.makepyfile(test_suite=SUITE)
    result = run("--memray", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_is_read_only_is_a_usage_error(run, pytester):
    """Before the first test, and not after the last."""
    locked = pytester.mkdir("locked")
    locked.chmod(0o500)
    result = run("--memray", f"--memray-bin-path={locked}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*read-only*"])
