"""What pip would do if it were run now: its own option parser, fed with its own configuration and environment."""

import sys

# The working directory may be a stranger's: nothing in it is imported.
if sys.path[:1] == [""]:
    del sys.path[0]

import json
import os
import platform

from pip._internal.commands import create_command
from pip._internal.utils.compatibility_tags import get_supported

options, _ = create_command("download").parse_args([])
json.dump(
    {
        "index_url": options.index_url,
        "extra_index_urls": options.extra_index_urls,
        "no_index": bool(options.no_index),
        "find_links": options.find_links,
        "cert": options.cert,
        "client_cert": options.client_cert,
        "proxy": options.proxy,
        "timeout": options.timeout,
        "keyring_provider": getattr(options, "keyring_provider", None),
        "trusted_hosts": options.trusted_hosts,
        "tags": [str(tag) for tag in get_supported()],
        "interpreter": {
            "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
            "prefixes": sorted({os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}),
            "version": platform.python_version(),
        },
    },
    sys.stdout,
)
