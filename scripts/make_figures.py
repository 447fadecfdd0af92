#!/usr/bin/env python3
"""make_figures.py [RESULTS]: draws docs/figures/quality.svg, the README's bar chart, from a file of results as
scripts/bench/quality.py writes it (default docs/bench/quality.json): perplexity ÷ dense at 30 % per text, beside the
best published code. Standard library only; the same input gives the same bytes.
"""
import html
import json
import pathlib
import sys

FIGURES = pathlib.Path(__file__).resolve().parent.parent / "docs" / "figures"
TEXTS = {"wiki": ("WikiText-2", "#2f6db5"), "books": ("books", "#d98a2b")}
SHOWN = ("uniform30", "custom30")

WIDTH, BAR_HEIGHT, GROUP_HEIGHT = 720, 20, 62
LEFT, RIGHT, TOP = 190, 70, 64


def groups_of(results):
    """[(label, {text: ratio})], the published code first."""
    published = next((results[name]["published"] for name in SHOWN if results[name].get("published")), None)
    groups = [("MoDeGPT's code, 30 %", dict(zip(TEXTS, published)))] if published else []
    for name in SHOWN:
        result = results[name]
        kind = "CCE uniform" if name.startswith("uniform") else "CCE custom"
        groups.append((f"{kind}, {100 * result['removed_of_blocks']:.1f} %", result["ratio"]))
    return groups


def text(x, y, content, anchor="start", size=13, weight="normal"):
    return (f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
            f"{html.escape(content)}</text>")


def draw(groups):
    height = TOP + GROUP_HEIGHT * len(groups) + 24
    largest = max(max(ratios.values()) for _, ratios in groups)

    def position(ratio):
        return LEFT + (WIDTH - LEFT - RIGHT) * ratio / largest

    parts = [text(12, 22, "Perplexity ÷ dense, SmolLM2-135M, blocks' weights removed, no training (lower is better)",
                  size=13, weight="bold")]
    for place, (name, colour) in enumerate(TEXTS.values()):
        parts.append(f'<rect x="{LEFT + 120 * place}" y="36" width="12" height="12" fill="{colour}"/>')
        parts.append(text(LEFT + 18 + 120 * place, 47, name))
    for row, (label, ratios) in enumerate(groups):
        top = TOP + GROUP_HEIGHT * row + 6
        parts.append(text(LEFT - 10, top + BAR_HEIGHT + 5, label, anchor="end"))
        for place, (key, (_, colour)) in enumerate(TEXTS.items()):
            y = top + place * (BAR_HEIGHT + 2)
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{position(ratios[key]) - LEFT:.1f}" height="{BAR_HEIGHT}" '
                         f'fill="{colour}"/>')
            parts.append(text(round(position(ratios[key]) + 6, 1), y + 15, f"{ratios[key]:.2f}"))
    dense = round(position(1.0), 1)
    parts.append(f'<line x1="{dense}" y1="{TOP}" x2="{dense}" y2="{height - 20}" stroke="#000" stroke-dasharray="4 3"/>')
    parts.append(text(dense, height - 6, "dense model", anchor="middle", size=12))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def main():
    source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES.parent / "bench" / "quality.json"
    groups = groups_of(json.loads(source.read_text())["results"])
    (FIGURES / "quality.svg").write_text(draw(groups))


if __name__ == "__main__":
    main()
