"""The load generator as a Python object: started, awaited, its report read."""

import dataclasses
import json
import pathlib
import subprocess

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
SCRATCH = CHECKOUT / ".build-release"


def build_generator() -> None:
    subprocess.run(
        ["swift", "build", "-c", "release", "--package-path", str(CHECKOUT), "--scratch-path", str(SCRATCH),
         "--product", "LoadGenerator"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@dataclasses.dataclass
class Load:
    """What LoadGenerator's options of the same names say."""

    port: int
    recipients: list[str]
    seconds: float
    rate: float = 0
    sessions: int = 50
    messages_per_session: int = 0
    source: str = "127.0.0.1"
    sources: int = 1
    octets: int = 4096
    warmup: float = 0
    limit: float = 10
    retry: float = 0

    def start(self) -> "RunningLoad":
        values = vars(self) | {"recipients": ",".join(f"{name}@example.test" for name in self.recipients)}
        words = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
        return RunningLoad(subprocess.Popen(
            [str(SCRATCH / "release" / "LoadGenerator"), *words], stdout=subprocess.PIPE, text=True))

    def run(self) -> dict:
        return self.start().report()


class RunningLoad:
    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def report(self) -> dict:
        """Waits for its end."""
        output, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise SystemExit(f"the load generator failed with status {self.process.returncode}")
        report = json.loads(output)
        report["generator_cpu_share"] = round(report["cpu_seconds"] / report["seconds"], 3)
        return report


def refused(report: dict, *codes: str) -> int:
    """How many messages were refused with one of these codes; without codes, all others than 421 and 451."""
    if codes:
        return sum(report["refused"].get(code, 0) for code in codes)
    return sum(count for code, count in report["refused"].items() if code not in ("421", "451"))


def lost(report: dict) -> int:
    return sum(report["lost"].values())


def unanswered(report: dict) -> int:
    return report["no_session"] + report["no_greeting"] + report["no_reply"]
