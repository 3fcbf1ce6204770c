"""Starts the recorder, and talks to it from the session's side."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..instruments.descriptors import HeldDescriptor

TYPE_CHECKING = False

if TYPE_CHECKING:
    from ..errors import RecorderUnavailable
    from .settings import RecorderSettings

_PROGRAM = "import sys; sys.path[:0] = sys.argv[2:]; from pytest_memory.recorder.process import main; main(sys.argv[1])"


def _packages() -> list[str]:
    """Where the recorder finds this package, and psutil where it needs that: it starts without site-packages."""
    folders = [str(Path(__file__).resolve().parents[2])]
    if sys.platform != "linux":
        found = find_spec("psutil")
        if found is not None and found.origin is not None:
            folders.append(str(Path(found.origin).parents[1]))
    return folders


def _unavailable(reason: str) -> RecorderUnavailable:
    from ..errors import RecorderUnavailable

    return RecorderUnavailable(reason)


class RecorderProcess:
    """A recorder that was started by this process.

    Starting it takes a few milliseconds; it finds its feet while the session goes on.

    Args:
        settings: What it is to do; ``report`` is filled in here.
        terminal: Descriptor of the terminal, file or pipe on which it prints an autopsy.

    Raises:
        RecorderUnavailable: It cannot be started.
    """

    def __init__(self, settings: RecorderSettings, terminal: int) -> None:
        if sys.platform == "win32":
            raise _unavailable("the recorder needs POSIX signals and pipes")
        if not sys.executable:
            raise _unavailable("this interpreter does not know its own executable")
        control, our_control = os.pipe()
        our_report, report = os.pipe()
        self._control, self._report = HeldDescriptor(our_control), HeldDescriptor(our_report)
        self._their_report = report
        self._heard = b""
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
        try:
            self._process = subprocess.Popen(
                [*command, json.dumps(settings.arguments(report)), *_packages()],
                stdin=control,
                stdout=terminal,
                stderr=subprocess.DEVNULL,
                pass_fds=(report,),
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            self._report.close()
            raise _unavailable(f"the recorder cannot be started: {error.strerror or error}") from error
        finally:
            os.close(control)
            os.close(report)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self, patience: float = 10.0) -> bool:
        """Wait for its first sample; say whether it came."""
        return self._listen(patience) is not None

    def end(self, status: int, patience: float = 60.0) -> dict[str, Any] | None:
        """Tell it that the session ends, and wait until it has written everything.

        Args:
            status: pytest's exit status.
            patience: Seconds to wait.

        Returns:
            What it says of itself: ``lost`` records and why (``failure``), its ``notes``, the ``curves`` of the
            processes (:meth:`Curve.to_json`), ``entries`` in the log or why there is none (``memlog_failure``);
            ``None`` if it died, did not answer in time, or cannot be reached since a test closed the pipes.
        """
        if not self._has_pipes():
            self._process.kill()  # it is our own child, and nobody can tell it to end
            self._process.wait()
            self.let_go()
            return None
        with contextlib.suppress(OSError):
            os.write(self._control.number, json.dumps({"status": status}).encode() + b"\n")
        deadline = time.monotonic() + patience
        answer = self._listen(patience)
        while answer is not None and "ready" in answer:
            answer = self._listen(deadline - time.monotonic())
        if not self._hangs_up(max(1.0, deadline - time.monotonic())):
            self._process.kill()  # it is our own child, and it hangs
        self._process.wait()
        self.let_go()
        return answer

    def let_go(self) -> None:
        """Close our ends of the pipes; also what a fork of this process does, whose recorder it is not."""
        self._control.close()
        self._report.close()
        self._process.returncode = self._process.returncode or 0  # a fork must not wait for its parent's child

    def _has_pipes(self) -> bool:
        """Whether our ends of the pipes are there, if need be opened anew by way of the recorder's own ends (Linux)."""
        ends = ((self._report, self._their_report, os.O_RDONLY), (self._control, 0, os.O_WRONLY))
        try:
            for pipe, theirs, flags in ends:
                if not pipe.is_ours():
                    pipe.reopen(f"/proc/{self.pid}/fd/{theirs}", flags | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False
        return True

    def _listen(self, patience: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + patience
        while b"\n" not in self._heard:
            readable, _, _ = select.select([self._report.number], [], [], max(0.0, deadline - time.monotonic()))
            heard = os.read(self._report.number, 4096) if readable else b""
            if not heard:
                return None
            self._heard += heard
        line, self._heard = self._heard.split(b"\n", 1)
        return dict(json.loads(line))

    def _hangs_up(self, patience: float) -> bool:
        """Wait until it has closed its end of the pipe, as the kernel does for it when it ends."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._report.number], [], [], left)
            if readable and not os.read(self._report.number, 4096):
                return True
        return False
