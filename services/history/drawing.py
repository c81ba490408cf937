"""PURE. A `Drawing` -> SVG: lanes of legs over time, arrows where they were dialled and joined, numbered steps.

Enters: a drawing and the language. Leaves: one `<svg>` element, styled by attributes only since pages forbid inline
style; text and lines take the page's own colour, and the classes let `history.css` choose others on dark screens. With
`record` the steps stand below in words, so that the file alone says everything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from xml.sax.saxutils import escape

from services.history.lanes import Drawing, Lane, Link, Mark, Span, SpanKind
from services.history.words import Lang, Pair

_LEFT, _RIGHT, _TOP = 230, 970, 8
_PITCH, _BAR, _BAR_AT = 50, 16, 20
_LINE = 20
_NAME_UNITS, _TEXT_UNITS = 28, 116
_MOST_LINES = 3
_LABEL_GAP, _DIGIT = 9, 7
_FONT = "BIZ UDPGothic, Hiragino Sans, Noto Sans JP, sans-serif"
_COLOURS: dict[SpanKind, str] = {
    "ringing": "#d97706",
    "talking": "#15803d",
    "waiting": "#1d4ed8",
    "held": "url(#held)",
    "recording": "#b91c1c",
}
_KINDS: dict[SpanKind, Pair] = {
    "ringing": ("応答前", "before the answer"),
    "talking": ("応答後", "after the answer"),
    "waiting": ("待ち行列", "in a queue"),
    "held": ("保留", "on hold"),
    "recording": ("録音", "recorded"),
}
_TITLE: Pair = ("回線の流れ", "Legs over time")
_LEFT_OUT: Pair = ("ほかに回線{legs}本、できごと{steps}件を省略", "{legs} more legs and {steps} more steps left out")
_STRIPES = (
    '<defs><pattern id="held" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="8" height="8" fill="#fff"/><rect width="4" height="8" fill="#15803d"/></pattern></defs>'
)


def svg(drawing: Drawing, lang: Lang, record: bool = False) -> str:
    """The picture. `record`: with every step and its reasons in words below it."""
    base = _TOP + len(drawing.lanes) * _PITCH
    below, height = _below(drawing, lang, base + 80, record)
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 1000 {height}" width="1000" '
            f'height="{height}" role="img" aria-labelledby="drawing-title drawing-says" lang="{lang}" '
            f'font-family="{_FONT}" font-size="13" fill="currentColor">',
            f'<title id="drawing-title">{_text(_TITLE[lang == "en"])}</title>',
            f'<desc id="drawing-says">{_text(_says(drawing))}</desc>',
            _STRIPES,
            *_ticks(drawing, base),
            *(_lane(number, lane, lang) for number, lane in enumerate(drawing.lanes)),
            *(_link(link) for link in drawing.links),
            *_marks(drawing.marks),
            *_legend(drawing, lang, base + 44),
            *below,
            "</svg>",
        )
    )


def _says(drawing: Drawing) -> str:
    """The story in words, for those who hear the page."""
    return " ".join(f"{line.number}. {line.since_start} {' – '.join((line.text, *line.why))}" for line in drawing.lines)


def _at(x: int) -> int:
    return _LEFT + x * (_RIGHT - _LEFT) // 1000


def _ticks(drawing: Drawing, base: int) -> Iterator[str]:
    for tick in drawing.ticks:
        x = _at(tick.x)
        yield f'<path d="M{x} {_TOP}V{base}" stroke="currentColor" stroke-opacity=".15" fill="none"/>'
        yield f'<text x="{x}" y="{base + 16}" text-anchor="middle" font-size="12" fill-opacity=".8">{tick.label}</text>'


def _lane(number: int, lane: Lane, lang: Lang) -> str:
    y = _TOP + number * _PITCH
    middle = y + _BAR_AT + _BAR // 2
    name = f'<text class="lane-name" x="0" y="{y + 26}" font-size="14">{_text(_cut(lane.name, _NAME_UNITS))}</text>'
    outcome = _text(_cut(lane.outcome, _NAME_UNITS))
    return "".join(
        (
            f'<g class="lane"><title>{_text(": ".join(filter(None, (lane.name, lane.outcome))))}</title>',
            name,
            f'<text x="0" y="{y + 43}" font-size="12" fill-opacity=".8">{outcome}</text>' if outcome else "",
            f'<path d="M{_LEFT} {middle}H{_RIGHT}" stroke="currentColor" stroke-opacity=".3" fill="none"/>',
            *(_span(span, y + _BAR_AT, lang) for span in lane.spans),
            "</g>",
        )
    )


def _span(span: Span, y: int, lang: Lang) -> str:
    x, title = _at(span.x), _text(_KINDS[span.kind][lang == "en"])
    width = max(3, _at(span.x + span.width) - x)
    top, height = (y + _BAR + 2, 4) if span.kind == "recording" else (y, _BAR)
    return (
        f'<rect class="{span.kind}" x="{x}" y="{top}" width="{width}" height="{height}" '
        f'fill="{_COLOURS[span.kind]}"><title>{title}</title></rect>'
    )


def _link(link: Link) -> str:
    """From bar to bar, with a head where it leads; what was joined has one at either end."""
    down = link.end > link.start
    x, start, end = _at(link.x), _edge(link.start, down), _edge(link.end, not down)
    dashes = ' stroke-dasharray="4 3"' if link.kind == "dial" else ' stroke-width="2"'
    heads = _head(x, end, down) + (_head(x, start, not down) if link.kind == "join" else "")
    return f'<g class="{link.kind}"><path d="M{x} {start}V{end}" stroke="currentColor" fill="none"{dashes}/>{heads}</g>'


def _edge(lane: int, lower: bool) -> int:
    return _TOP + lane * _PITCH + _BAR_AT + (_BAR if lower else 0)


def _head(x: int, y: int, down: bool) -> str:
    back = y - 7 if down else y + 7
    return f'<path d="M{x} {y}L{x - 4} {back}H{x + 4}Z"/>'


def _marks(marks: tuple[Mark, ...]) -> Iterator[str]:
    """A dot for each step, with its number beside it where there is room."""
    free: dict[int, int] = {}
    for mark in marks:
        x, y = _at(mark.x), _TOP + mark.lane * _PITCH + _BAR_AT - 5
        label = ""
        if x >= free.get(mark.lane, 0):
            free[mark.lane] = x + _LABEL_GAP + _DIGIT * len(str(mark.number))
            label = f'<text x="{x + 5}" y="{y + 3}" font-size="11">{mark.number}</text>'
        title = f"<title>{mark.number}. {_text(mark.text)}</title>"
        yield f'<g class="step">{title}<circle cx="{x}" cy="{y}" r="2.5"/>{label}</g>'


def _legend(drawing: Drawing, lang: Lang, y: int) -> Iterator[str]:
    there, x = {span.kind for lane in drawing.lanes for span in lane.spans}, _LEFT
    for kind, pair in _KINDS.items():
        if kind in there:
            yield f'<rect class="{kind}" x="{x}" y="{y - 10}" width="18" height="10" fill="{_COLOURS[kind]}"/>'
            yield f'<text x="{x + 24}" y="{y}" font-size="12">{_text(pair[lang == "en"])}</text>'
            x += 44 + 7 * _units(pair[lang == "en"])


def _below(drawing: Drawing, lang: Lang, y: int, record: bool) -> tuple[list[str], int]:
    """What stands under the lanes, and where it ends."""
    texts: list[tuple[int, str, str]] = []
    if drawing.lanes_left_out or drawing.lines_left_out:
        told = _LEFT_OUT[lang == "en"].format(legs=drawing.lanes_left_out, steps=drawing.lines_left_out)
        texts.append((0, told, "1"))
    for line in drawing.lines if record else ():
        head, *rest = _wrapped(f"{line.number}. {line.since_start}  {line.text}")
        texts += [(0, head, "1"), *((24, one, "1") for one in rest)]
        texts += [(24, f"– {one}" if not n else one, ".8") for why in line.why for n, one in enumerate(_wrapped(why))]
    found = [
        f'<text x="{x}" y="{y + number * _LINE}" fill-opacity="{opacity}">{_text(text)}</text>'
        for number, (x, text, opacity) in enumerate(texts)
    ]
    return found, y + len(texts) * _LINE - (12 if texts else 28)


def _units(text: str) -> int:
    """How wide text is: a full-width letter is two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "FWA" else 1 for letter in text)


def _cut(text: str, units: int) -> str:
    if _units(text) <= units:
        return text
    while text and _units(text) >= units:
        text = text[:-1]
    return f"{text}…"


def _wrapped(text: str) -> list[str]:
    """At most _MOST_LINES lines; what is still longer is cut."""
    lines: list[str] = []
    while text and len(lines) < _MOST_LINES - 1 and _units(text) > _TEXT_UNITS:
        end, width = 0, 0
        while width + _units(text[end]) <= _TEXT_UNITS:
            width += _units(text[end])
            end += 1
        lines.append(text[:end])
        text = text[end:].lstrip()
    return [*lines, _cut(text, _TEXT_UNITS)]


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;"})
