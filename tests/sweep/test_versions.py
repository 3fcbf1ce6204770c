"""What people write for a version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_memory.sweep import install_requirement, unique_labels, version_label
from pytest_memory.sweep.versions import named_distributions


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("3.1", "toy==3.1"),
        ("2.0rc1", "toy==2.0rc1"),
        ("1.2.dev0", "toy==1.2.dev0"),
        ("1.0.post1", "toy==1.0.post1"),
        (" 3.1 ", "toy==3.1"),
        (">=3,<4", "toy<4,>=3"),
        ("", "toy"),
        ("toy @ git+https://example.org/toy@main", "toy @ git+https://example.org/toy@main"),
        ("git+https://example.org/toy@main", "git+https://example.org/toy@main"),
        ("./dist/toy-1.0-py3-none-any.whl", "./dist/toy-1.0-py3-none-any.whl"),
    ],
)
def test_versions_become_requirements(version, requirement):
    """PEP 440 decides what is a version; specifiers apply to the package; all else is pip's."""
    assert install_requirement("toy", version) == requirement


@pytest.mark.parametrize(
    ("version", "label"),
    [
        ("3.1", "3.1"),
        ("git+https://example.org/toy@feature/x", "feature-x"),
        (">=3,<4", "3-4"),
        ("toy @ ./dir", "dir"),
        ("@", "spec"),
        ("…", "spec"),
    ],
)
def test_labels_suit_every_file_system(version, label):
    """The text after the last @, with everything unusual replaced."""
    assert version_label(version) == label


def test_equal_labels_are_numbered():
    """Two versions with one label do not overwrite each other, whatever the case."""
    assert unique_labels(["a@main", "b@main", "b@MAIN", "3.1"]) == ["main", "main-2", "MAIN-3", "3.1"]


@given(st.lists(st.text(max_size=12), max_size=8))
def test_labels_are_unique_for_any_texts(versions):
    """One label per version, all different, all safe."""
    labels = unique_labels(versions)
    assert len({label.casefold() for label in labels}) == len(versions)
    assert all(label and not label.startswith((".", "-")) and "/" not in label for label in labels)


def test_names_of_pins_are_normalised():
    """PEP 503 names; a path has none."""
    assert named_distributions(["Pytest_Memory>=1", "numpy", "./x.whl"]) == {"pytest-memory", "numpy"}
