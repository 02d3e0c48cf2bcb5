"""All checks of the chart, in groups. Ends with `chart: N checks passed`; exits 1 where one does not hold."""

import argparse
import sys
import time

import alerts
import effects
import freshness
import refused
import rendering
import schemas
import security
import selftest
from support import ROOT, Chart, Checks

GROUPS = {
    "rendering": rendering.run,
    "refused": refused.run,
    "schemas": schemas.run,
    "security": security.run,
    "alerts": alerts.run,
    "freshness": freshness.run,
    "effects": effects.run,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=GROUPS)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    chart = Chart(ROOT / "charts" / "gomemlimit")
    if arguments.self_test:
        return selftest.run(chart, GROUPS)

    checks = Checks()
    for name, group in GROUPS.items():
        if arguments.only in (None, name):
            before, started = checks.passed, time.monotonic()
            group(checks, chart)
            print(f"{name}: {checks.passed - before} checks ({time.monotonic() - started:.1f} s)", flush=True)
    if checks.failures:
        print(f"chart: {checks.passed} checks passed, {len(checks.failures)} failed")
        return 1
    print(f"chart: {checks.passed} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
