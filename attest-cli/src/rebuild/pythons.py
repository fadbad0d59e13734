"""What one Python is: for the list of those that a machine has."""

import json
import os
import platform
import sys

json.dump(
    {
        "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
        "prefixes": sorted({os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}),
        "version": platform.python_version(),
    },
    sys.stdout,
)
