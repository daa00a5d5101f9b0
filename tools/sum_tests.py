"""Adds up JUnit files: prints `N passed, N failed, N skipped` and fails unless every file ran a test and none failed.

sum_tests.py lit.xml googletest.xml pytest.xml
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter


def outcome(case):
    """CTest marks a test that did not run by its status, lit and pytest by a child element."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def count(path):
    """The outcomes in one file. A file that is missing, damaged or without a test that ran counts as one failure."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"{path}: {error}")
        return Counter(failed=1)
    counts = Counter(outcome(case) for case in cases)
    for case in cases:
        if outcome(case) == "failed":
            print(f"failed: {case.get('classname', '')} {case.get('name')}")
    if counts["passed"] + counts["failed"] == 0:
        print(f"{path}: no test ran")
        counts["failed"] += 1
    return counts


def main(paths):
    total = sum((count(path) for path in paths), Counter())
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
