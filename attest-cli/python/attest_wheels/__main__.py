"""`python -m attest_wheels` is `attest`."""

import os
import subprocess
import sys

from attest_wheels import find_attest


def main():
    program = find_attest()
    if sys.platform == "win32":
        # Windows has no exec that keeps the console.
        sys.exit(subprocess.run([program] + sys.argv[1:]).returncode)
    os.execv(program, [program] + sys.argv[1:])


if __name__ == "__main__":
    main()
