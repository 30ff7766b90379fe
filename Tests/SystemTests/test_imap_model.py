"""Random commands from several IMAP sessions beside a model of IMAP: MARTLET_IMAP_STEPS (20,000 by default) of them."""

import concurrent.futures
import multiprocessing
import os
import random

from model.run import run_world

STEPS = int(os.environ.get("MARTLET_IMAP_STEPS", "20000"))
SEED = int(os.environ.get("MARTLET_IMAP_SEED", random.randrange(1 << 31)))


def test_the_server_says_what_the_model_says(system):
    """Two worlds side by side, of an even and of an odd seed."""
    print(f"seeds {SEED} and {SEED + 1}")
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        worlds = [pool.submit(run_world, system.home, seed, STEPS // 2, sessions=4, progress=False)
                  for seed in (SEED, SEED + 1)]
    for world in worlds:
        assert world.result() >= STEPS // 2
