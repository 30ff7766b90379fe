"""The course of an overload as SVG: accepted messages by second for each offered load, and the latencies."""

import math

COLOURS = ("#1f6f8b", "#d98e04", "#b3344a", "#5a5a5a")
WIDTH, HEIGHT, LEFT, TOP, GAP = 420, 260, 70, 50, 90


class _Panel:
    def __init__(self, title: str, left: int, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.left, self.x_range, self.y_range = left, x_range, y_range
        self.parts = [
            f'<text x="{left}" y="{TOP - 18}" font-size="14">{title}</text>',
            f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + WIDTH * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return TOP + HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))

    def text(self, x: float, y: float, text: str, anchor: str = "middle", colour: str = "#333") -> None:
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{text}</text>')

    def level(self, value: float, text: str, dashes: str = "2 4", colour: str = "#bbb") -> None:
        y = self.y(value)
        self.parts.append(
            f'<line x1="{self.left}" x2="{self.left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"'
            f' stroke-dasharray="{dashes}"/>')
        self.text(self.left - 6, y + 4, text, "end")

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def dot(self, x: float, y: float, colour: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{self.y(y):.1f}" r="4" fill="{colour}"/>')


def overload_svg(best: float, loads: list[dict]) -> str:
    """`loads` as overload.py reports them; `best` is the rate of the closed loop."""
    seconds = max(len(load["report"]["accepted_by_second"]) - 1 for load in loads)
    highest = max([best] + [value for load in loads for value in load["report"]["accepted_by_second"]]) * 1.1
    rates = _Panel("accepted messages a second, by second", LEFT, (0, max(seconds - 1, 1)), (0, highest))
    for step in range(1, 5):
        rates.level(highest * step / 5, f"{highest * step / 5:.0f}")
    rates.level(best, "best", dashes="8 3", colour="#333")
    for second in range(0, seconds, max(1, seconds // 6)):
        rates.text(rates.x(second), TOP + HEIGHT + 18, f"{second} s")

    second_left = LEFT + WIDTH + GAP
    latencies = _Panel("ms from MAIL to 250: p50, p99, p99.9, max", second_left, (0, 1), (0, 5))
    for power in range(6):
        latencies.level(power, f"{10 ** power}")
    for number, load in enumerate(loads):
        colour = COLOURS[number % len(COLOURS)]
        rates.line(list(enumerate(load["report"]["accepted_by_second"][:seconds])), colour)
        rates.text(LEFT + 60 + 110 * number, TOP + HEIGHT + 40, f"offered {load['factor']}x", colour=colour)
        x = second_left + WIDTH * (number + 0.5) / len(loads)
        latencies.text(x, TOP + HEIGHT + 18, f"{load['factor']}x", colour=colour)
        for name in ("p50", "p99", "p999", "max"):
            if load["report"]["latency_us"]:
                latencies.dot(x, math.log10(max(load["report"]["latency_us"][name] / 1000, 1)), colour)
    width, height = second_left + WIDTH + 30, TOP + HEIGHT + 60
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>', *rates.parts, *latencies.parts, "</svg>", ""])
