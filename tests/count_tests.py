"""Counts what `meson test` ran, GoogleTest programs by their cases.

    count_tests.py BUILD STATUS     prints "PASSED FAILED SKIPPED" and, to stderr, what failed and why tests were skipped

STATUS is meson's exit status. A program that crashed has written no cases and counts as one failure.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

SKIP_STATUS = 77


def count_cases(path):
    passed, failed, skipped = 0, [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        failure, reason = case.find("failure"), case.find("skipped")
        if failure is not None:
            failed.append(f"{name}: {' '.join(failure.get('message', '').split())}")
        elif reason is not None:
            skipped.append(f"{name}: {reason.get('message', '').strip()}")
        elif case.get("status") == "run":
            passed += 1
    return passed, failed, skipped


def main():
    build, status = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    passed, failures, reasons = 0, [], []
    log = build / "meson-logs" / "testlog.json"
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        test = json.loads(line)
        good = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
        cases = build / "test-results" / (pathlib.Path(test["command"][0]).name + ".xml")
        if cases.exists():
            run = count_cases(cases)
            cases.unlink()
            passed += run[0]
            failures += run[1] if good or run[1] else [f"{test['name']}: {test['result']}"]
            reasons += run[2]
        elif test["result"] == "SKIP" or test.get("returncode") == SKIP_STATUS:
            said = test.get("stdout", "").strip().splitlines()
            reasons.append(f"{test['name']}: {said[-1] if said else 'no reason given'}")
        elif good:
            passed += 1
        else:
            failures.append(f"{test['name']}: {test['result']}")
    if status != 0 and not failures:
        failures.append(f"meson test ended with {status}")
    for failure in failures:
        print("FAILED:", failure, file=sys.stderr)
    for reason in reasons:
        print("skipped:", reason, file=sys.stderr)
    print(passed, len(failures), len(reasons))


if __name__ == "__main__":
    main()
