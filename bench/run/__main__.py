"""Measure the engines: `python -m run --help`. bench/README.md explains the figures."""

import argparse
import json
import sys
from pathlib import Path

from . import engines, memory, prepare, report, session
from .measure import EngineFailedError, adopt_orphans

FULL, QUICK = 10_000_000, 1_000_000
DOCUMENT = engines.ROOT / "bench" / "README.md"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--rows", type=int, help="records of the file (default 10,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the fast engines")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs on one core and on two")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the generated file")
    parser.add_argument("--only", help="only engines with these name prefixes, separated by commas")
    parser.add_argument(
        "--quick", action="store_true", help="1,000,000 records, no Spark, no document"
    )
    parser.add_argument(
        "--check", action="store_true", help="20,000 records, one round; compare the rows only"
    )
    parser.add_argument("--write", action="store_true", help="write the document also with --quick")
    parser.add_argument("--no-s3", action="store_true", help="skip the run from S3 to S3")
    parser.add_argument("--render", action="store_true", help="write the document without a run")
    arguments = parser.parse_args()
    if arguments.check:
        arguments.rounds, arguments.pairs, arguments.no_s3 = 1, 0, True
    arguments.rows = arguments.rows or (20_000 if arguments.check else FULL)
    if arguments.quick:
        arguments.rows = QUICK
    return arguments


def run(arguments: argparse.Namespace) -> session.Results:
    """Generate the file, run the engines and compare the outputs."""
    adopt_orphans()
    prepare.build()
    source = prepare.generate(arguments.rows, arguments.seed)
    chosen = session.choose(arguments.only, check=arguments.check, quick=arguments.quick)
    results = session.start(source)
    session.alternate(results, chosen, arguments.rounds)
    if arguments.pairs and not arguments.only:
        session.pair(results, arguments.pairs)
    session.compare(results)
    if not arguments.no_s3 and not arguments.only:
        results.memory = memory.measure_s3(source)
    if arguments.rows > QUICK and not arguments.only:
        small = run_small(arguments.seed)
        results.small = small.as_dict()
        results.differences += small.differences
    session.finish(results)
    return results


def run_small(seed: int) -> session.Results:
    """Run the slow engines on a small file."""
    small = session.start(prepare.generate(QUICK, seed))
    session.alternate(small, session.SMALL, 1)
    session.compare(small)
    session.finish(small)
    return small


def main() -> int:
    """Return 1 if outputs differ or an engine fails, 0 otherwise. Speed has no effect."""
    arguments = parse()
    saved = engines.BUILD / "results.json"
    try:
        results = session.load(saved) if arguments.render else run(arguments)
    except EngineFailedError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    saved.write_text(json.dumps(results.as_dict(), indent=2))
    text = report.equality(results) if arguments.check else report.render(results)
    print(text)
    full = not (arguments.quick or arguments.check or arguments.only)
    if arguments.write or arguments.render or full:
        write(DOCUMENT, text)
    for difference in results.differences:
        print(f"bench: {difference}", file=sys.stderr)
    return 1 if results.differences else 0


def write(document: Path, text: str) -> None:
    """Replace the section between the document's markers."""
    begin, end = "<!-- results: begin -->\n", "<!-- results: end -->"
    before, rest = document.read_text().split(begin)
    after = rest.split(end)[1]
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
