"""The folders of sessions: where breadcrumbs and journals lie, and which of their sessions live, ended or died.

Each session has a folder named after its start and its process: ``20261120T120304-4711/``, with a breadcrumb for each
test process and, with the recorder, a journal. A second session of one process in the same second, such as pytest in a
test of a pytest plugin, is ``20261120T120304-4711-2/``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

from ..instruments.started import process_started
from .channel import CRUMB_SUFFIX, JOURNAL_NAME, glance

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .channel import CrumbHeader
    from .crumbs import CrumbReader

KEPT = 10
"""Sessions whose records stay; older ones are removed when a session begins."""

_STAMP = "00000000T000000"
_DIGITS_TO_ZERO = str.maketrans("123456789", "000000000")


def crumb_path(session: Path, worker: str | None) -> Path:
    """The breadcrumb of a process in a session's folder."""
    return session / f"{worker or 'main'}{CRUMB_SUFFIX}"


def new_session(folder: Path) -> Path:
    """Make the folder of a session that begins now, and remove those that nobody needs any more.

    Raises:
        OSError: It cannot be made.
    """
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    folder.mkdir(parents=True, exist_ok=True)
    names = chain([f"{stamp}-{os.getpid()}"], (f"{stamp}-{os.getpid()}-{number}" for number in count(2)))
    session = next(path for name in names if _is_made(path := folder / name))
    for old in sessions(folder)[KEPT:]:
        if not is_alive(old):
            remove_session(old)
    return session


def _is_made(folder: Path) -> bool:
    """Make a folder, unless it is there already."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def sessions(folder: Path) -> list[Path]:
    """The sessions of a folder, newest first."""
    try:
        found = [path for path in folder.iterdir() if _is_session(path.name) and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=_age, reverse=True)


def _is_session(name: str) -> bool:
    """Whether a folder has the name of a session. By hand: to compile a pattern takes longer than all else here."""
    stamp, *numbers = name.split("-")
    digits = all(number.isascii() and number.isdecimal() for number in numbers)
    return stamp.translate(_DIGITS_TO_ZERO) == _STAMP and len(numbers) in (1, 2) and digits


def _age(session: Path) -> tuple[str, list[int]]:
    """Its start to the second and its process, as a number: 9998 came before 10001 in the same second."""
    stamp, *numbers = session.name.split("-")
    return stamp, list(map(int, numbers))


def remove_session(session: Path) -> None:
    """Remove what we wrote into a session's folder, and the folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        for path in [*session.glob(f"*{CRUMB_SUFFIX}"), session / JOURNAL_NAME]:
            path.unlink(missing_ok=True)
        session.rmdir()


def folder_for(rootdir: Path, user_cache: Path) -> Path:
    """Where the sessions of a project lie if its own cache cannot be used."""
    import hashlib

    digest = hashlib.sha256(os.fsencode(rootdir)).hexdigest()[:16]
    return user_cache / f"{rootdir.name or 'root'}-{digest}"


def is_alive(session: Path) -> bool:
    """Whether a process of the session still runs."""
    return any(process_lives(path, header) for path, header, _ in _glances(session))


def _glances(session: Path) -> Iterator[tuple[Path, CrumbHeader, bool]]:
    """The breadcrumbs of a session, whose they are, and whether that process said that it ended."""
    for path in _crumb_paths(session):
        with contextlib.suppress(OSError, ValueError):  # an UnreadableFile is one
            yield path, *glance(path)


def _crumb_paths(session: Path) -> list[Path]:
    return sorted(session.glob(f"*{CRUMB_SUFFIX}"))


def read_crumbs(session: Path) -> Iterator[CrumbReader]:
    """The breadcrumbs of a session that can be read."""
    from .crumbs import CrumbReader

    for path in _crumb_paths(session):
        with contextlib.suppress(OSError, ValueError):
            yield CrumbReader(path)


def process_lives(path: str | Path, header: CrumbHeader) -> bool:
    """Whether the process that wrote a breadcrumb still runs.

    Its lock answers, also across containers; where the file system has no locks, its process id and start do.
    """
    if header.pid == os.getpid():  # opening and closing the file would release our own lock
        return True
    if header.locked:
        try:
            import fcntl

            with Path(path).open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (ImportError, OSError):
            return True
        return False
    started = process_started(header.pid)
    return started is not None and (header.process_started in (0.0, started))


def has_ended(session: Path) -> bool:
    """Whether every process of a session said that it ended: there is nothing to explain, and nothing to read."""
    said = [ended for *_, ended in _glances(session)]
    return bool(said) and all(said)


def project_folders(start: Path, user_cache: Path | None) -> list[Path]:
    """The folders with sessions of the project around a directory, the closest first.

    Args:
        start: The directory, or one below the project's root.
        user_cache: Where sessions lie that could not be written into the project; ``None`` if there is no such place.
    """
    candidates: list[Path] = []
    for directory in (start, *start.parents):
        candidates.append(directory / ".pytest_cache/d/memory")
        if user_cache is not None:
            candidates.append(folder_for(directory, user_cache))
    return [folder for folder in candidates if sessions(folder)]


def user_cache() -> Path:
    """The user's cache, where each platform has it.

    By hand: platformdirs is a plugin of pytest's as well, which every session loads that has it installed.

    Raises:
        OSError: There is none, since this user has no home.
    """
    windows = sys.platform == "win32"
    named = Path(os.environ.get("LOCALAPPDATA" if windows else "XDG_CACHE_HOME", ""))
    usual = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    try:
        folder = named if named.is_absolute() else Path.home() / usual
    except RuntimeError as error:
        raise FileNotFoundError(errno.ENOENT, str(error), "~") from None
    return folder / ("pytest-memory/Cache" if windows else "pytest-memory")


def mark_told(session: Path) -> None:
    """Remember that the deaths of a session were told."""
    for crumb in read_crumbs(session):
        crumb.mark_told()
        crumb.close()
