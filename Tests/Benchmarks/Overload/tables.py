"""The figures as text for a person."""

from load import lost, refused, unanswered


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f}"


def latency(report: dict, name: str = "latency_us") -> str:
    values = report[name]
    if not values:
        return "nothing was accepted"
    return " / ".join(_ms(values[key]) for key in ("p50", "p99", "p999", "max")) + " ms"


def print_outcomes(report: dict) -> None:
    print(f"  offered {report['offered']}, tried {report['tried']}, accepted {report['accepted']};"
          f" refused: 421 {refused(report, '421')}, 451 {refused(report, '451')}, others {refused(report)}")
    print(f"  connections lost {lost(report)} {report['lost'] if lost(report) else ''};"
          f" not answered in time {unanswered(report)}: no session {report['no_session']},"
          f" no greeting {report['no_greeting']}, no reply {report['no_reply']}")
    print(f"  latency p50 / p99 / p99.9 / max: {latency(report)}; with the wait for a session:"
          f" {latency(report, 'offer_to_accept_us')}")
    print(f"  connections {report['connections']}, open at once {report['highest_sessions']};"
          f" the generator used {report['generator_cpu_share']:.2f} cores")


def print_observed(figures: dict) -> None:
    print_outcomes(figures["report"])
    for name, process in figures["processes"].items():
        print(f"  {name:28} {process['highest_memory_mb']:7.1f} MB  {process['highest_descriptors']:6} descriptors"
              f"  {process['cpu_share']:5.2f} cores")
    imap = figures["imap"]
    times = imap["milliseconds"]
    print(f"  IMAP, {imap['probes']} probes: " + ", ".join(
        f"{name} p50 {times[name]['p50']} max {times[name]['max']} ms" for name in ("login", "select", "fetch", "all"))
        + f"; failed {len(imap['failures'])} {imap['failures'][:1] or ''}")


def _overload(overload: dict) -> None:
    print(f"best sustained rate, closed loop of 50 sessions: {overload['best']['report']['accepted_rate']:.0f}/s")
    print_observed(overload["best"])
    for load in overload["loads"]:
        print(f"offered {load['factor']}x, {load['offered_rate']:.0f}/s: accepted"
              f" {load['report']['accepted_rate']:.0f}/s, {load['relative_to_best']:.2f} of the best")
        print_observed(load)


def _fairness(fairness: dict) -> None:
    alone = fairness["alone"]
    print(f"one session alone: {alone['accepted_rate']:.1f}/s, latency {latency(alone)}")
    for row in fairness["beside"]:
        print(f"beside {row['flood_sessions']} sessions of another address ({row['meaning']}):"
              f" {row['single']['accepted_rate']:.1f}/s, {row['rate_ratio']:.2f} of alone,"
              f" latency {latency(row['single'])}")
        print(f"  the flood: {row['flood']['accepted_rate']:.0f}/s")
        print_outcomes(row["flood"])


def _slow(slow: dict) -> None:
    senders = slow["senders"]
    print(f"load of 50 sessions alone: {senders['without']['report']['accepted_rate']:.0f}/s")
    print_observed(senders["without"])
    print(f"beside slow clients: {senders['with']['report']['accepted_rate']:.0f}/s; open at first"
          f" {senders['open_at_first']}, at last {senders['open_at_last']}, refused {senders['refused']}, ended by the"
          f" server {senders['ended_by_server']}; {senders['memory_kb_a_connection']:.1f} kB a connection")
    print_observed(senders["with"])
    readers = slow["readers"]
    print(f"beside {readers['readers']} IMAP readers that do not read {readers['large_messages']} bodies of 1 MB:"
          f" {readers['with']['report']['accepted_rate']:.0f}/s; kB a reader:"
          f" {({name: round(value) for name, value in readers['memory_kb_a_reader'].items()})};"
          f" failed {readers['failures']}")
    print_observed(readers["with"])


def _scale(scale: dict) -> None:
    print(f"scaling smtp-ingress while {scale['offered_rate']:.0f}/s are offered: " + ", ".join(
        f"to {step['replicas']} at {step['from']}-{step['until']} s" for step in scale["steps"]))
    print_outcomes(scale["report"])
    print(f"  sessions ended by the server between messages {scale['report']['idle_sessions_ended']}")
    print(f"  accepted by second {scale['report']['accepted_by_second']}")


def print_results(results: dict) -> None:
    for name, printed in (("overload", _overload), ("fairness", _fairness), ("slow", _slow), ("scale", _scale)):
        if name in results:
            print(f"== {name}")
            printed(results[name])
    audit = results["audit"]
    print("== audit")
    print(f"accepted {audit['accepted']}, stored {audit['stored']}, without a reply after the content"
          f" {audit['no_reply_after_content']}: {'as promised' if audit['as_promised'] else 'NOT AS PROMISED'}")
