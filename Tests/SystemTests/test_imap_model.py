"""Random commands from several IMAP sessions beside a model of IMAP: MARTLET_IMAP_STEPS (20,000 by default) of them."""

import os
import random

import imap_model
import pytest

STEPS = int(os.environ.get("MARTLET_IMAP_STEPS", "20000"))
SEED = int(os.environ.get("MARTLET_IMAP_SEED", random.randrange(1 << 31)))


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_the_server_says_what_the_model_says(system, seed):
    assert imap_model.run_world(system.home, seed, STEPS // 2, sessions=4, progress=False) >= STEPS // 2
