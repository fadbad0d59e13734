#!/usr/bin/env python3
"""How many published wheels `attest rebuild` builds again, and why not the others: standard library only.

    attest --output-format json rebuild $(rebuild_table.py --targets WHEELS.csv) > results.json
    rebuild_table.py WHEELS.csv results.json...

WHEELS.csv has columns project, version and wheel_sha256, one row per wheel. A wheel counts only where the result is about the
very file of its row.
"""

import collections
import csv
import json
import statistics
import sys


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(table, *results):
    if table == "--targets":
        return print(" ".join("{project}=={version}".format(**row) for row in rows(*results)))
    found, failed = {}, {}
    for path in results:
        with open(path, encoding="utf-8") as file:
            for result in json.load(file)["results"]:
                if "wheel" in result:
                    found[result["wheel"]["sha256"]] = result
                else:
                    failed[result["target"]] = result
    counts, seconds, beyond = collections.Counter(), [], []
    for row in rows(table):
        name = "{project}=={version}".format(**row)
        result = found.get(row["wheel_sha256"]) or failed.get(name) or {"error": "not asked"}
        verdict = result.get("verdict", "NOT_REBUILT")
        counts[verdict] += 1
        seconds.append(result.get("seconds", 0))
        if result.get("buildSeconds"):
            beyond.append(result["seconds"] - result["buildSeconds"])
        if verdict != "EXACT":
            reasons = result.get("explanation") or [result.get("error", "")]
            print(name, verdict, " ".join(reasons)[:200].replace("\n", " "), sep="\t")
    total = sum(counts.values())
    for verdict, count in counts.most_common():
        print("%-20s %4d of %d, %.1f %%" % (verdict, count, total, 100 * count / total))
    measured = [one for one in seconds if one]
    if measured:
        print("seconds per wheel: median %.1f, most %.1f" % (statistics.median(measured), max(measured)))
    if beyond:
        # Fetching, installing, trying other tools, comparing, waiting for another second, writing.
        print("of which beyond the two builds: median %.2f, most %.1f" % (statistics.median(beyond), max(beyond)))


if __name__ == "__main__":
    main(*sys.argv[1:])
