"""The fault harness against a system of its own: MARTLET_FAULT_SECONDS (300 by default) of faults at random."""

import json
import os
import subprocess

from conftest import CHECKOUT

SECONDS = float(os.environ.get("MARTLET_FAULT_SECONDS", "300"))


def test_nothing_is_missing_doubled_or_altered_whatever_crashes():
    words = [str(CHECKOUT / "Tests" / "SystemTests" / "fault_harness.py"), "--json", "--seconds", str(SECONDS)]
    if seed := os.environ.get("MARTLET_FAULT_SEED"):
        words += ["--seed", seed]
    others = ("MARTLET_HOME", "MARTLET_PORT_BASE")
    environment = {name: value for name, value in os.environ.items() if name not in others}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=SECONDS + 900)
    print(done.stderr)
    # The story of what went wrong, and the seed that replays it, stand at its end.
    assert done.returncode == 0, done.stderr[-6_000:]
    page = json.loads(done.stdout)
    assert page["messages"] > 0 and page["faults"] > 0 and page["filings"]["commands"] > 0
