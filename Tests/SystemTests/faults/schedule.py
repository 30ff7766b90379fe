"""Which fault strikes when: a function of the seed, of how long, and of the kinds. The same seed replays it."""

import dataclasses
import random

# How often each kind comes, in one round; every kind comes once before any comes twice.
WEIGHTS = {
    "kill": 5, "kill-service": 1, "kill-backend": 3, "kill-postgresql": 1, "stop": 3, "cut-reset": 4, "cut-silence": 3,
    "rolling-restart": 1, "scale": 1, "disk-full-postgresql": 1, "disk-full-spool": 1, "clock": 2,
}


@dataclasses.dataclass(frozen=True)
class Strike:
    """A fault to come. What it hits is drawn from its own source when it strikes."""

    number: int
    at: float
    kind: str
    seed: str

    def source(self) -> random.Random:
        return random.Random(self.seed)


def make_schedule(seed: int, seconds: float, kinds: list[str], gap: float) -> list[Strike]:
    """Strikes with gaps around `gap` seconds; the first and the last seconds of a run are calm."""
    source = random.Random(f"schedule {seed}")
    deck: list[str] = []
    strikes: list[Strike] = []
    is_first_round = True
    at = min(3.0, seconds / 10)
    while True:
        at += gap * source.uniform(0.3, 1.7)
        if at > seconds - min(3.0, seconds / 10) or not kinds:
            return strikes
        if not deck:
            deck = [kind for kind in kinds for _ in range(1 if is_first_round else WEIGHTS[kind])]
            source.shuffle(deck)
            is_first_round = False
        strikes.append(Strike(len(strikes) + 1, at, deck.pop(), f"{seed} strike {len(strikes) + 1}"))
