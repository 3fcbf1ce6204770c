"""Running one benchmark suite against several versions of a package, each in an environment of its own (uv).

``sweep`` is the short form: a function called once per version. ``provision`` gives the environments themselves,
``record_version`` runs a suite in one and keeps its run, as the command line does.
"""

from pytest_memory.sweep.provision import Stage, Venv, provision, sweep
from pytest_memory.sweep.recording import Recording, SuiteRun, already_recorded, record_version
from pytest_memory.sweep.versions import install_requirement, unique_labels, version_label

__all__ = [
    "Recording",
    "Stage",
    "SuiteRun",
    "Venv",
    "already_recorded",
    "install_requirement",
    "provision",
    "record_version",
    "sweep",
    "unique_labels",
    "version_label",
]
