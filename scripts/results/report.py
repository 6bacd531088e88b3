"""The tables and the plot of docs/results.md, from the CSV files beside it."""
import csv
import math
import pathlib
import re
import statistics
from collections import defaultdict

COLUMNS = [
    ("linear", lambda row: 100 * float(row[f"linear_{row['feature']}"]), "{:.2f}"),
    ("linear, pooled", lambda row: 100 * float(row["linear_pooled"]), "{:.2f}"),
    ("k-NN", lambda row: 100 * float(row[f"knn_{row['feature']}"]), "{:.2f}"),
    ("RankMe", lambda row: float(row["rankme"]), "{:.1f}"),
    ("participation", lambda row: float(row["participation"]), "{:.2f}"),
    ("alignment", lambda row: float(row["alignment"]), "{:.3f}"),
    ("class cosine", lambda row: float(row["class_cosine"]), "{:.3f}"),
    ("other classes", lambda row: float(row["other_class_cosine"]), "{:.3f}"),
    ("reconstruction", lambda row: float(row["test_reconstruction"]), "{:.4f}"),
]

# Group of the CSV, what it is called, and the column that tells its rows apart.
TABLES = [
    ("lambda", "λ, exact", "lambda"),
    ("reference", "The public gradient at W ranks, λ = 0.01", "ranks"),
    ("fashion", "Fashion-MNIST", "lambda"),
    ("long", "Four times as long", "lambda"),
    ("mask", "Mask ratio", "mask_ratio"),
    ("feature", "Feature of the loss", "feature"),
    ("negatives", "Number of negatives, at equal updates", "negatives"),
]


def two_sided_p(t: float, freedom: int) -> float:
    """Of Student's t, by integrating its density."""
    if not math.isfinite(t):
        return 0.0
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    steps = 2000
    width = abs(t) / steps
    density = [scale * (1 + (i * width) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(steps + 1)]
    inside = width / 3 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))
    return max(0.0, 1 - 2 * inside)


def paired(rows: list[dict], base: list[dict], value=COLUMNS[0][1]) -> str:
    """Difference to runs of the same seeds without the loss, and how likely one so large is by chance."""
    seeds = {row["seed"]: value(row) for row in base}
    differences = [value(row) - seeds[row["seed"]] for row in rows if row["seed"] in seeds]
    if not differences:
        return "–"
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"{mean:+.2f}"
    deviation = statistics.stdev(differences)
    t = mean / (deviation / math.sqrt(len(differences))) if deviation else math.inf
    return f"{mean:+.2f} ± {deviation:.2f} (p = {two_sided_p(t, len(differences) - 1):.2f})"


def cell(rows: list[dict], value, form: str) -> str:
    values = [value(row) for row in rows]
    text = form.format(statistics.mean(values))
    return text if len(values) < 2 else f"{text} ± {form.format(statistics.stdev(values)).lstrip('+')}"


def table(title: str, key: str, rows: list[dict], base) -> list[str]:
    """One line for each setting, means and standard deviations over seeds."""
    found = defaultdict(list)
    for row in rows:
        found[(row[key], row["lambda"])].append(row)
    names = [name for name, _, _ in COLUMNS]
    lines = [f"### {title}", "", f"| {key.replace('_', ' ')} | λ | seeds | " + " | ".join(names)
             + " | linear, to λ = 0 |", "|" + "---|" * (len(names) + 4)]
    for (setting, lamb), group in sorted(found.items(), key=lambda item: [number(part) for part in item[0]]):
        cells = [cell(group, value, form) for _, value, form in COLUMNS]
        same = [row for row in base(group[0]) if float(row["lambda"]) == 0]
        lines.append(
            f"| {setting} | {effective(group[0])} | {len(group)} | " + " | ".join(cells)
            + f" | {paired(group, same) if float(lamb) else '–'} |")
    return lines + [""]


def number(text: str) -> tuple:
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)


def effective(row: dict) -> str:
    lamb, exact = float(row["lambda"]), float(row["effective_lambda"])
    return f"{lamb:g}" if lamb == exact else f"{lamb:g}, in effect {exact:g}"


def pairs(rows: list[dict]) -> list[str]:
    """What the public gradient at W ranks gave, less what the exact λ/W gave from the same seed."""
    chosen = [column for column in COLUMNS if column[0] in ("linear", "k-NN", "RankMe", "alignment")]
    exact = {(row["effective_lambda"], row["seed"]): row for row in rows if row["group"] == "lambda"}
    found = defaultdict(list)
    for row in rows:
        if row["group"] == "reference" and (other := exact.get((row["effective_lambda"], row["seed"]))):
            found[int(row["ranks"]), row["effective_lambda"]].append((row, other))
    if not found:
        return []
    lines = ["### The public gradient at W ranks, less the exact λ/W, seed by seed", "",
             "| ranks | λ/W | pairs | " + " | ".join(name for name, _, _ in chosen) + " |", "|" + "---|" * (3 + len(chosen))]
    for (ranks, lamb), both in sorted(found.items()):
        cells = [cell(both, lambda pair, value=value: value(pair[0]) - value(pair[1]), form.replace(":", ":+"))
                 for _, value, form in chosen]
        lines.append(f"| {ranks} | {lamb} | {len(both)} | " + " | ".join(cells) + " |")
    return lines + [""]


def trained_probes(rows: list[dict]) -> list[str]:
    """An attentive probe and a fine-tuned encoder, by λ: a line each, with the difference to λ = 0."""
    values = [("attentive", lambda row: 100 * float(row["attentive"])), ("fine-tuned", lambda row: 100 * float(row["fine_tuned"]))]
    found = defaultdict(list)
    for row in rows:
        found[float(row["lambda"])].append(row)
    lines = ["### Probes that are trained on images", "",
             "| λ | seeds | " + " | ".join(f"{name} | to λ = 0" for name, _ in values) + " |", "|" + "---|" * 6]
    for lamb, group in sorted(found.items()):
        cells = [part for _, value in values for part in (
            cell(group, value, "{:.2f}"), paired(group, found[0.0], value) if lamb else "–")]
        lines.append(f"| {lamb:g} | {len(group)} | " + " | ".join(cells) + " |")
    return lines + [""]


def tables(rows: list[dict], trained: list[dict]) -> str:
    def base(row):
        """Runs that differ from it in λ alone, as far as λ = 0 has no other settings."""
        keys = ("data", "epochs", "mask_ratio")
        return [other for other in rows if all(other[key] == row[key] for key in keys)
                and other["gradient"] == "exact" and (other["group"] != "negatives")]

    lines = []
    for group, title, key in TABLES:
        own = [row for row in rows if row["group"] == group]
        if not own:
            continue
        if group == "reference":
            # Beside the exact λ that each is in effect.
            effects = {row["effective_lambda"] for row in own}
            own += [row for row in rows if row["group"] == "lambda" and row["effective_lambda"] in effects | {"0.01"}]
        if group in ("mask", "feature"):
            own += [row for row in rows if row["group"] == "lambda" and row["lambda"] in {r["lambda"] for r in own}]
        lines += table(title, key, own, base)
        if group == "lambda" and trained:
            lines += trained_probes(trained)
        if group == "reference":
            lines += pairs(rows)
    return "\n".join(lines).rstrip()


def plot(spectra: list[dict], rows: list[dict]) -> str:
    """Singular values over the largest, mean of the seeds, of each λ: an SVG."""
    width, height, left, bottom, top = 720, 400, 64, 48, 16
    known = {row["run"]: row for row in rows if row["group"] == "lambda"}
    curves = defaultdict(lambda: defaultdict(list))
    for row in spectra:
        if row["run"] in known:
            curves[known[row["run"]]["lambda"]][int(row["index"])].append(float(row["raw"]))
    if not curves:
        return ""
    colours = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"]
    count = max(max(curve) for curve in curves.values())
    floor = -6

    def point(index, share):
        x = left + (index - 1) / max(count - 1, 1) * (width - left - 130)
        y = top + max(math.log10(max(share, 1e-12)), floor) / floor * (height - top - bottom)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for power in range(floor, 1):
        x, y = point(1, 10**power).split(",")
        parts.append(f'<line x1="{x}" x2="{width - 130}" y1="{y}" y2="{y}" stroke="#dddddd"/>'
                     f'<text x="{left - 8}" y="{float(y) + 4}" text-anchor="end">1e{power}</text>')
    for index in [1] + list(range(32, count + 1, 32)):
        x = point(index, 1).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle">{index}</text>')
    parts.append(f'<text x="{left + (width - left - 130) / 2}" y="{height - 8}" text-anchor="middle">singular value</text>')
    parts.append(f'<text transform="translate(16,{height / 2}) rotate(-90)" text-anchor="middle">over the largest</text>')
    for place, lamb in enumerate(sorted(curves, key=float)):
        curve = curves[lamb]
        largest = statistics.mean(curve[1])
        points = " ".join(point(index, statistics.mean(curve[index]) / largest) for index in sorted(curve))
        colour = colours[place % len(colours)]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = top + 14 + 20 * place
        parts.append(f'<line x1="{width - 118}" x2="{width - 94}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{width - 88}" y="{y}">λ = {float(lamb):g}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def write(folder: pathlib.Path, page: pathlib.Path) -> None:
    """Puts the tables between their marks in the page, and the plot beside the CSV files."""
    def read(name):
        if not (folder / name).exists():
            return []
        with open(folder / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    rows = read("runs.csv")
    (folder / "singular-values.svg").write_text(plot(read("singular-values.csv"), rows), encoding="utf-8")
    begin, end = "<!-- tables:begin -->", "<!-- tables:end -->"
    found = tables(rows, read("trained-probes.csv"))
    text = page.read_text(encoding="utf-8")
    page.write_text(
        re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{found}\n{end}", text, flags=re.DOTALL), encoding="utf-8")
