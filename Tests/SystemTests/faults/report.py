"""The figures of a run, for people and for programs; and the story of each message that is not as it must be."""

import collections
import json

from .audit import FilingOutcome, Outcome
from .filings import Filing
from .journal import Journal

# Messages whose whole story is told.
MOST_STORIES = 20
# Of what struck before a message's last event, this much is told with it.
STORY_SECONDS = 40


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def figures(system, journal: Journal, striker, outcome: Outcome, seed: int, seconds: float, is_recovered: bool) -> dict:
    times = [entry.longest for entry in journal.entries if entry.longest]
    ledger = system.ledger_counts()
    return {
        "system": system.name, "seed": seed, "seconds": round(seconds, 1),
        "messages": len(journal.entries),
        "submissions": sum(entry.submission for entry in journal.entries),
        "deliveries": sum(len(entry.deliveries) for entry in journal.entries),
        "connections": journal.connection_count,
        "faults": sum(striker.done.values()), "faults_by_kind": dict(sorted(striker.done.items())),
        "skipped": {kind: {"count": striker.skipped_count[kind], "reason": reason}
                    for kind, reason in striker.skipped.items()},
        "tries": sum(entry.tries for entry in journal.entries),
        "repetitions": sum(entry.repetitions for entry in journal.entries),
        "ledger": ledger, "absorbed": ledger.get("absorbed"),
        "stored": outcome.stored, "certain_seconds": outcome.certain_seconds,
        "missing": outcome.missing, "missing_seconds": outcome.missing_seconds, "doubled": outcome.doubled,
        "altered": outcome.altered,
        "strangers": outcome.strangers, "refused": len(journal.wrong_refusals()), "unknown": len(journal.unknown()),
        "recovered": is_recovered,
        "seconds_to_know": {"p50": round(percentile(times, 0.5), 3), "p99": round(percentile(times, 0.99), 3),
                            "max": round(max(times, default=0), 3)},
        "notes": system.notes,
    }


def filing_figures(filings: list[Filing], outcome: FilingOutcome) -> dict:
    """Of the filers."""
    steps = [step for filing in filings for step in filing.steps[:filing.index]]
    return {
        "filings": len(filings),
        "commands": len(steps), "commands_by_kind": dict(sorted(collections.Counter(
            step.kind.value + (" of several" if step.count > 1 else "") + (" to be refused" if step.wrong else "")
            for step in steps).items())),
        "catenated": sum(sum(step.catenates) for step in steps),
        "tries": sum(filing.tries for filing in filings),
        "repetitions": sum(filing.repetitions.total() for filing in filings),
        "repetitions_by_kind": dict(sorted(sum(
            (filing.repetitions for filing in filings), collections.Counter()).items())),
        "stored": outcome.stored,
        "wrong": len(outcome.wrong), "wrong_by_kind": dict(collections.Counter(wrong.what for wrong in outcome.wrong)),
        "unknown": sum(filing.step is not None for filing in filings),
        "seconds_to_know": round(max((filing.longest for filing in filings), default=0), 3),
    }


def is_right(page: dict) -> bool:
    """Whether a run shows what it must; a peer is only measured."""
    wrong = ("missing", "doubled", "altered", "strangers", "refused", "unknown")
    filings = page["filings"]
    return (all(page[name] == 0 for name in wrong) and filings["wrong"] == filings["unknown"] == 0
            and page["recovered"])


def print_table(page: dict) -> None:
    rows = [
        ("system", page["system"]), ("seed", page["seed"]), ("seconds", page["seconds"]),
        ("messages", page["messages"]), ("submissions (honest seconds too)", page["submissions"]),
        ("deliveries (message and mailbox)", page["deliveries"]), ("connections", page["connections"]),
        ("faults", page["faults"]),
        *((f"  {kind}", count) for kind, count in page["faults_by_kind"].items()),
        *((f"  {kind}, skipped", f"{skip['count']}: {skip['reason']}") for kind, skip in page["skipped"].items()),
        ("tries", page["tries"]), ("repetitions of what was in doubt", page["repetitions"]),
        ("absorbed (ledger)", page["absorbed"] if page["absorbed"] is not None else "-"),
        ("copies in mailboxes", page["stored"]), ("honest seconds, two copies certain", page["certain_seconds"]),
        ("missing", page["missing"]), ("  of these honest seconds", page["missing_seconds"]),
        ("doubled", page["doubled"]), ("altered", page["altered"]),
        ("of no entry", page["strangers"]), ("refused for good", page["refused"]),
        ("sender never came to know", page["unknown"]),
        ("all ready again, by itself", "yes" if page["recovered"] else "NO"),
        ("seconds to know, p50", page["seconds_to_know"]["p50"]),
        ("seconds to know, p99", page["seconds_to_know"]["p99"]),
        ("seconds to know, max", page["seconds_to_know"]["max"]),
    ]
    if (filings := page["filings"])["filings"]:
        rows += [
            ("filings", filings["filings"]), ("  commands whose answer was read", filings["commands"]),
            *((f"    {kind}", count) for kind, count in filings["commands_by_kind"].items()),
            ("  messages made of parts", filings["catenated"]),
            ("  tries", filings["tries"]), ("  repetitions of what was in doubt", filings["repetitions"]),
            *((f"    {kind}", count) for kind, count in filings["repetitions_by_kind"].items()),
            ("  copies in mailboxes", filings["stored"]), ("  wrong", filings["wrong"]),
            *((f"    {kind}", count) for kind, count in filings["wrong_by_kind"].items()),
            ("  filer never came to know", filings["unknown"]),
            ("  seconds to know, max", filings["seconds_to_know"]),
        ]
    print()
    for name, value in rows:
        print(f"{name:<36}{value}")
    for note in page["notes"]:
        print(f"note: {note}")


def stories(system, journal: Journal, outcome: Outcome, message_id, strikes: list[tuple[float, str]]) -> list[str]:
    """For each wrong message what its sender did, what struck meanwhile, and what the ledger says."""
    lines: list[str] = []
    told: set[int] = set()
    wrong = [(w.what, w.entry, f"{w.name}: {w.text}") for w in outcome.wrong]
    wrong += [("refused for good", entry, "") for entry in journal.wrong_refusals()]
    wrong += [("never known", entry, ", ".join(entry.pending)) for entry in journal.unknown()]
    # What is rarest is told first.
    frequency = collections.Counter(what for what, _, _ in wrong)
    wrong.sort(key=lambda finding: (frequency[finding[0]], finding[0]))
    for what, entry, text in wrong:
        lines += ["", f"{what.upper()}  {text}" + (f"  (message {entry.number} by {entry.door})" if entry else "")]
        if entry is None or entry.number in told or len(told) >= MOST_STORIES:
            continue
        told.add(entry.number)
        lines += journal.story(entry, [
            strike for strike in strikes
            if entry.events and 0 <= entry.events[-1][0] - strike[0] <= STORY_SECONDS])
        lines += [f"  ledger  {line}" for line in system.ledger_of(message_id(entry.number))]
    if len(told) >= MOST_STORIES:
        lines.append(f"... {len(wrong)} findings in all")
    return lines


def filing_stories(system, filings: list[Filing], outcome: FilingOutcome, message_id) -> list[str]:
    """For each wrong filing what its filer did, and what the ledger says."""
    wrong = [(w.what, w.filing, w.text) for w in outcome.wrong]
    wrong += [("never known", filing, str(filing.step)) for filing in filings if filing.step]
    lines: list[str] = []
    for what, filing, text in wrong[:MOST_STORIES]:
        lines += ["", f"{what.upper()}  {text}"]
        if filing is None:
            continue
        lines.append(f"filing {filing.number} of {filing.account}: " + ", ".join(map(str, filing.steps)))
        lines += filing_story(filing)
        for number in sorted({number for step in filing.steps for number in filing.numbers_of(step)}):
            lines += [f"  ledger of {number}  {line}" for line in system.ledger_of(message_id(number))]
    if len(wrong) > MOST_STORIES:
        lines.append(f"... {len(wrong)} filings in all")
    return lines


def filing_story(filing: Filing) -> list[str]:
    return [f"  {when:9.3f} s  connection {number:>6}  {text}" for when, number, text in filing.events]


def print_json(page: dict) -> None:
    print(json.dumps(page, indent=2))
