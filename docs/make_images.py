"""Make the pictures of gallery.md with the commands that it shows (needs the network, uv, kaleido, Chromium, Pillow).

python docs/make_images.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
IMAGES = DOCS / "img"
VERSIONS = ["2.8.8", "3.0", "3.2.1", "3.3", "3.4.2"]
QUICK = ["--pytest-arg=--benchmark-max-time=0.05", "--pytest-arg=--benchmark-min-rounds=3"]


def command(*arguments: object, folder: Path) -> None:
    """Run pytest-memory in a folder."""
    code = "from pytest_memory.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=folder, check=True)


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        command("sweep", "networkx", *VERSIONS, "--suite", DOCS / "examples/graphs", *QUICK, folder=folder)
        runs = [folder / f".benchmarks/sweep/{version}.json" for version in VERSIONS]
        for name, given in {
            "sweep": [*runs, "--metric", "peak"],
            "scaling": [runs[-1], "--metric", "peak"],
            "compare": [runs[0], runs[-1], "--metric", "peak", "--view", "compare", "--sort", "relative"],
            "scatter": [runs[0], runs[-1], "--metric", "time"],
        }.items():
            command("plot", *given, "-o", folder / f"{name}.png", folder=folder)
        recorded = ["--memlog", "--memlog-interval=0.05", "--memory", "--memory-report=run.json"]
        suite = DOCS / "examples/session"
        for name, workers in (("timeline", []), ("timeline-workers", ["-n2"])):
            subprocess.run([sys.executable, "-m", "pytest", suite, *workers, *recorded], cwd=folder, check=True)
            command("timeline", "memlog.json", "--run", "run.json", "-o", folder / f"{name}.png", folder=folder)
        for picture in folder.glob("*.png"):
            shrink(picture, IMAGES / picture.name)


def shrink(picture: Path, target: Path) -> None:
    """A flat drawing needs few colours: a third of the bytes."""
    with Image.open(picture) as image:
        width = 1400
        small = image.convert("RGB").resize((width, image.height * width // image.width), Image.Resampling.LANCZOS)
        small.quantize(250).save(target, optimize=True)


if __name__ == "__main__":
    main()
