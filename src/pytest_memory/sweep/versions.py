"""What people write for a version: how it is installed, and what its run is called. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_NOT_IN_LABELS = re.compile(r"[^0-9A-Za-z._-]+")


def install_requirement(package: str, version: str) -> str:
    """What uv is asked to install for one version.

    Args:
        package: The name on the index, with extras if wanted: ``"networkx[default]"``.
        version: A version (PEP 440: ``3.1``, ``1.0.post1``, ``2.0.dev3``), a specifier (``">=3,<4"``), or anything
            that pip takes by itself: ``"pkg @ git+https://…@main"``, a path, a URL.

    Returns:
        ``package==version``, ``package`` with the specifier, or the text as it is.
    """
    text = version.strip()
    try:
        Version(text)
    except InvalidVersion:
        pass
    else:
        return f"{package}=={text}"
    try:
        return f"{package}{SpecifierSet(text)}" if text else package
    except InvalidSpecifier:
        return text


def version_label(version: str) -> str:
    """A name for the run of one version that every file system takes.

    Args:
        version: What ``install_requirement`` takes.

    Returns:
        The text after the last ``@`` with everything outside ``0-9 A-Z a-z . _ -`` replaced; ``spec`` if nothing
        is left.
    """
    return _NOT_IN_LABELS.sub("-", version.rpartition("@")[2]).strip("-._") or "spec"


def unique_labels(versions: Sequence[str]) -> list[str]:
    """One label per version, no two equal even where the file system ignores case: ``main``, ``main-2``."""
    labels: list[str] = []
    taken: set[str] = set()
    for version in versions:
        first = label = version_label(version)
        number = 1
        while label.casefold() in taken:
            number += 1
            label = f"{first}-{number}"
        taken.add(label.casefold())
        labels.append(label)
    return labels


def named_distributions(requirements: Iterable[str]) -> set[str]:
    """The normalised names in a list of pip's requirements; paths and bare URLs have none."""
    names = set()
    for text in requirements:
        try:
            names.add(str(canonicalize_name(Requirement(text).name)))
        except InvalidRequirement:
            continue
    return names
