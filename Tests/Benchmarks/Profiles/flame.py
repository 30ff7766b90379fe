"""Call stacks as a flame graph in SVG: the wider a frame, the more of the time was spent in it or below it."""

import html
import zlib

WIDTH, ROW, LEAST = 1200, 16, 0.4


class Frame:
    """A function in one place of the tree of calls, how often it was seen there, and what it called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.callees: dict[str, Frame] = {}

    def add(self, stack: list[str]) -> None:
        """One sample, from the outermost function to the innermost."""
        frame = self
        frame.count += 1
        for name in stack:
            frame = frame.callees.setdefault(name, Frame(name))
            frame.count += 1

    def depth(self) -> int:
        deepest, level = 0, [self]
        while level:
            deepest += 1
            level = [callee for frame in level for callee in frame.callees.values()]
        return deepest


def _colour(name: str) -> str:
    shade = zlib.crc32(name.encode())
    return f"rgb({205 + shade % 50},{90 + shade // 50 % 110},{40 + shade // 5500 % 40})"


def svg(root: Frame) -> str:
    """The whole graph; a frame's full name and share show when the pointer rests on it."""
    height = root.depth() * ROW + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' font-family="monospace" font-size="11"><rect width="100%" height="100%" fill="#fff"/>']
    work = [(root, 0.0, 0)]
    while work:
        frame, left, level = work.pop()
        width = WIDTH * frame.count / max(root.count, 1)
        if width < LEAST:
            continue
        top = height - (level + 1) * ROW - 10
        name = html.escape(frame.name)
        parts.append(
            f'<g><title>{name}: {100 * frame.count / root.count:.2f}%</title><rect x="{left:.1f}" y="{top}"'
            f' width="{width:.1f}" height="{ROW - 1}" fill="{_colour(frame.name)}"/>')
        room = int(width / 6.7)
        if room > 2:
            shown = frame.name if len(frame.name) <= room else frame.name[: room - 1] + "…"
            parts.append(f'<text x="{left + 2:.1f}" y="{top + 11}">{html.escape(shown)}</text>')
        parts.append("</g>")
        for callee in sorted(frame.callees.values(), key=lambda callee: callee.name):
            work.append((callee, left, level + 1))
            left += WIDTH * callee.count / root.count
    return "\n".join(parts) + "\n</svg>\n"
