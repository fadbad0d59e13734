"""Where this Python keeps packages. Run with -I -S: nothing that is installed is imported."""

import json
import os
import sys
import sysconfig

folders = []
for scheme in sysconfig.get_scheme_names():
    if scheme.endswith("user") or os.name not in scheme and "deb_system" not in scheme:
        continue
    for name in ("purelib", "platlib"):
        folder = sysconfig.get_path(name, scheme)
        if os.path.isdir(folder) and os.path.realpath(folder) not in map(os.path.realpath, folders):
            folders.append(folder)
json.dump({"root": sys.prefix, "folders": folders}, sys.stdout)
