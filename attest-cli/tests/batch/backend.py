"""A build backend that lives in its own sdist: NAME, a module of its own, and a pause so that it can be interrupted."""

import os
import sys
import time
import zipfile


def get_requires_for_build_wheel(config_settings=None):
    return [@ASKS@]


def build_wheel(out, config_settings=None, metadata_directory=None):
    time.sleep(@SLEEP@)
    name = "@NAME@-1.0-py3-none-any.whl"
    info = "@NAME@-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(out, name), "w") as wheel:
        for path, text in (
            ("@NAME@.py", "name = '@NAME@'\n"),
            (info + "/METADATA", "Metadata-Version: 2.1\nName: @NAME@\nVersion: 1.0\n"),
            (info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: fixture 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (info + "/RECORD", ""),
        ) + EXTRA:
            wheel.writestr(zipfile.ZipInfo(path, (2024, 2, 25, 23, 17, 32)), text)
    return name


EXTRA = ()

if __name__ == "__main__":
    # What the publisher has, and the source does not.
    EXTRA = tuple((path, "surprise = 1\n") for path in sys.argv[2:])
    time.sleep = lambda seconds: None
    build_wheel(sys.argv[1])
