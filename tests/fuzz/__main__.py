"""Damage documents and read them: python -m tests.fuzz --cases 50000 --seed 0

Numbers go on from the seed; --only N runs one document again and writes it to standard output. The exit code is the
number of failures, at most 100.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from tests.fuzz.check import Failure, failures
from tests.fuzz.mutate import mutant, seeds

_SHARE = 500


def _share(first: int, end: int) -> list[Failure]:
    return list(failures(range(first, end)))


def main() -> int:
    """Run as many documents as asked for, print what goes wrong and return the number of failures."""
    parser = argparse.ArgumentParser(description="Read damaged documents.")
    parser.add_argument("--cases", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    if options.only is not None:
        sys.stdout.buffer.write(mutant(options.only, seeds()))
        found = list(failures([options.only]))
    else:
        end = options.seed + options.cases
        firsts = range(options.seed, end, _SHARE)
        with ProcessPoolExecutor(options.jobs) as pool:
            shares = pool.map(_share, firsts, [min(first + _SHARE, end) for first in firsts])
            found = [failure for share in shares for failure in share]
    for failure in islice(found, 100):
        print(f"{failure.number} {failure.reader}: {failure.what}", file=sys.stderr)
    print(f"{options.cases if options.only is None else 1} documents, {len(found)} failures", file=sys.stderr)
    return min(len(found), 100)


if __name__ == "__main__":
    sys.exit(main())
