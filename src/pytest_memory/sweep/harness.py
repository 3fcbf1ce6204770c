"""The harness that every environment of a sweep gets: this very pytest-memory, wherever it came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from pytest_memory.sweep.installer import InstallerFailed, foreign_environment, run_uv
from pytest_memory.sweep.versions import named_distributions

NAME = "pytest-memory"
_OURS = {NAME, "pytest-benchmem"}
"""A pin that names one of these brings its own harness; both at once define the same flags."""


def harness_requirements(pins: Sequence[str], workspace: Path, *, python: str) -> list[str]:
    """What to install beside the package under test so that its suite is measured as it is here.

    A version from an index is pinned. From a source checkout (also an editable one) a wheel is built once, from an
    sdist, so that the checkout's left-over build files cannot get in.

    Args:
        pins: Further requirements; if one names a harness, nothing is added.
        workspace: A directory for the wheel.
        python: The interpreter that the wheel is for.

    Returns:
        Requirements for pip, none or one.

    Raises:
        InstallerFailed: The checkout cannot be built.
    """
    if named_distributions(pins) & _OURS:
        return []
    try:
        installed = distribution(NAME)
    except PackageNotFoundError:
        return [f"{NAME}[benchmark]"]
    origin = _origin(installed)
    local = _local_path(origin)
    if local is not None and local.is_dir():
        local = _build(local, workspace, python)
    if local is not None and local.exists():
        return [f"{NAME}[benchmark] @ {local.as_uri()}"]
    if "vcs_info" in origin:
        revision = origin["vcs_info"]["commit_id"]
        return [f"{NAME}[benchmark] @ {origin['vcs_info']['vcs']}+{origin['url']}@{revision}"]
    return [f"{NAME}[benchmark]=={installed.version}"]


def _origin(installed: Distribution) -> dict[str, Any]:
    """PEP 610's record of where a distribution was installed from; empty if that was an index."""
    text = installed.read_text("direct_url.json")
    return dict(json.loads(text)) if text else {}


def _local_path(origin: dict[str, Any]) -> Path | None:
    parts = urlsplit(origin.get("url", ""))
    return Path(url2pathname(unquote(parts.path))) if parts.scheme == "file" else None


def _build(source: Path, workspace: Path, python: str) -> Path:
    out = workspace / "harness"
    arguments = ["build", str(source), "--out-dir", str(out), "--python", python]
    try:
        run_uv(arguments, environment=foreign_environment(), cwd=workspace)
    except InstallerFailed as error:
        advice = "is the interpreter there (--python)? A harness of your own can be given as --pin 'pytest-memory==X'"
        raise InstallerFailed(f"pytest-memory cannot be built from {str(source)!r}: {error.problem}", advice) from error
    wheels = sorted(out.glob("*.whl"))
    if not wheels:
        raise InstallerFailed(f"building {str(source)!r} gave no wheel")
    return wheels[0]
