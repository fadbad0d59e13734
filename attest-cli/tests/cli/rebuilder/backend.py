"""A build backend that lives in its own sdist, needs nothing, and takes a moment."""

import os
import sys
import time
import zipfile

NAME = "@NAME@"
WHEEL = "Wheel-Version: 1.0\nGenerator: fixture 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % NAME


def write(out, more):
    name = "%s-1.0-py3-none-any.whl" % NAME
    with zipfile.ZipFile(os.path.join(out, name), "w") as wheel:
        for path, text in (("%s/core.py" % NAME, "x = 1\n"),) + more + (
            ("%s-1.0.dist-info/METADATA" % NAME, METADATA),
            ("%s-1.0.dist-info/WHEEL" % NAME, WHEEL),
            ("%s-1.0.dist-info/RECORD" % NAME, ""),
        ):
            wheel.writestr(zipfile.ZipInfo(path, (2024, 2, 25, 23, 17, 32)), text)
    return name


def build_wheel(out, config_settings=None, metadata_directory=None):
    time.sleep(@SECONDS@)
    return write(out, ())


if __name__ == "__main__":
    write(sys.argv[1], ((NAME + "/evil.py", "import os\n"),) if sys.argv[2] == "evil" else ())
