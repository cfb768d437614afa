"""The figures as Markdown, and their plots."""

from pathlib import Path

from peers import plot
from peers.figures import show
from peers.pipeline import HALF, OURS, THEIR_OWN
from work import of_peak

NAMES = {OURS: "glimpsed", THEIR_OWN: "Python", HALF: "Python, decoded to half"}


def markdown(results: dict, images: str) -> str:
    """`images` is where the plots lie, as seen from the document."""
    parts = [
        heading(results),
        table("What is wanted, and what is", ["ratio, ours / theirs", "wanted", "measured", "the worst of", ""],
              [limit(one) for one in results["limits"]]),
        "### The model alone\n\n" + inference(results["inference"]),
        "### The whole pipeline, as fast as it goes\n\n" + throughput(results["throughput"]),
        "### At ten frames a second\n\n" + steady(results["at_ten"]),
        "### A still scene at one frame a second\n\n" + still(results["idle"]),
        "### Decode and preprocess alone\n\n" + preparing(results["preparing"]),
        "### How cost grows\n\n" + growth(results, images),
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return (f"### {title}\n\n" if title else "") + "\n".join(lines)


def heading(results: dict) -> str:
    machine, versions = results["machine"], ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return (
        f"{machine['date']}, {machine['processor']} ({machine['instructions']}), {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}. {results['glimpsed']}; {versions}. Printed by\n\n"
        f"    {results['command']}\n\n"
        f"Medians and, in brackets, quartiles of the rounds. In the whole pipeline the threads that do the work waited "
        f"{100 * results['waited']:.0f} % of their time (median) for a core that other programs had, which is in the "
        "milliseconds of the clock and not in those of the CPU. Photographs: "
        f"{results['pictures']}. Below 1 means that ours takes less."
    )


def limit(one: dict) -> list[str]:
    verdict = "reached" if one["holds"] else "**falls short**"
    return [one["what"], f"{one['limit']:.2f}", f"{one['measured']:.2f}", one["where"], verdict]


def still(found: dict) -> str:
    wakes = ", ".join(f"{name} {count:.1f}" for name, count in found["wakes_a_second"].items() if count)
    return (
        f"The camera gives ten frames a second, `max_fps = 1` wants one of them: {found['cpu_percent']:.2f} % of a core and "
        f"{found['rss_mb']:.0f} MB. Wake-ups a second of each thread: {wakes}."
    )


def inference(models: list[dict]) -> str:
    rows = []
    for model in models:
        for row in model["rows"]:
            ours = row["runtime"] == OURS
            rows.append([
                model["model"], row["runtime"], str(row["threads"]), show(row["ms"]), show(row["cpu_ms"]),
                "" if ours else show(row["ratio_ms"]), "" if ours else show(row["ratio_cpu"]),
                of_peak(row),
                f"{row['load_ms']:.0f}", f"{row['peak_mb']:.0f}", answer(row),
            ])  # fmt: skip
    head = ["model", "runtime", "threads", "ms", "CPU ms", "ours / theirs, clock", "ours / theirs, CPU",
            "of the arithmetic peak", "load ms", "peak MB", "same first class"]  # fmt: skip
    return table("", head, rows) + (
        "\n\nBoth have the same number of threads in a ratio. ncnn has no form of the 8-bit files (pnnx leaves layers in them that ncnn "
        "does not know); LiteRT runs the only file there is for it. The arithmetic peak is what one core reaches "
        "in a loop of nothing but our kernels' multiplications and additions, in the same run, times the threads; a model's are those of "
        "direct convolutions, and Winograd's needs fewer (ResNet-18). The class is that of a made-up picture."
    )


def answer(row: dict) -> str:
    said = "yes" if row["same_first"] else "no"
    return f"{said} ({row['note']})" if row["note"] else said


def throughput(results: list[dict]) -> str:
    keys = [("fps", 0), ("cpu_ms", 2), ("outside_ms", 2), ("decode_ms", 2), ("preprocess_ms", 2), ("infer_ms", 2),
            ("first_label_ms", 0), ("first_label_cpu_ms", 0), ("rss_mb", 0), ("peak_mb", 0)]  # fmt: skip
    rows, ratios, apart = [], [], []
    for one in results:
        for side, told in one["sides"].items():
            figures = told["figures"]
            rows.append([one["model"], one["size"], NAMES[side], *(show(figures[key], digits) for key, digits in keys)])
            if side == OURS:
                continue
            kept = ["cpu_ms", "outside_ms", "first_label_ms", "first_label_cpu_ms", "rss_mb", "peak_mb", "fps"]
            agreement = told["agreement"]
            ratios.append([one["model"], one["size"], NAMES[side], *(show(told["ratios"][key]) for key in kept),
                           f"{agreement['same']} of {agreement['pictures']}"])  # fmt: skip
            apart += [max(each["ours"][1], each["theirs"][1]) for each in agreement["apart"]]
    head = ["model", "frames", "", "frames a second", "CPU ms a frame", "of that outside inference", "decode ms",
            "preprocess ms", "infer ms", "first label ms", "CPU ms until then", "RSS MB", "peak MB"]  # fmt: skip
    head_ratios = ["model", "frames", "ours /", "CPU", "CPU outside inference", "first label", "CPU until then", "RSS", "peak",
                   "frames a second", "same first label"]  # fmt: skip
    counted = [values for one in results for values in one["rounds"].values()]
    whole = all(values["inferred"] == values["frames"] for values in counted)
    note = "Milliseconds of CPU a frame are CPU seconds of a thousand frames. " + (
        "Every frame was inferred on both sides." if whole else "**Not every frame was inferred: the figures compare unlike work.**"
    )
    if apart:
        note += f" Where the first labels differ, neither side is surer of its own than {max(apart):.2f}."
    return table("", head, rows) + "\n\n" + table("", head_ratios, ratios) + "\n\n" + note


def preparing(results: list[dict]) -> str:
    rows = []
    for one in results:
        for row in one["rows"]:
            ours = row["way"] == OURS
            difference = row.get("largest_difference_of_means")
            rows.append([
                one["size"], one["steps"], row["way"], show(row["ms"]), show(row["cpu_ms"]),
                "" if ours else show(row["ratio_ms"]), "" if ours else show(row["ratio_cpu"]),
                "" if ours or difference is None else f"{difference:.4f}",
            ])  # fmt: skip
    head = ["frames", "as far as", "way", "ms", "CPU ms", "ours / theirs, clock", "ours / theirs, CPU", "means differ by"]
    return table("", head, rows) + (
        "\n\n`opencv` decodes with `IMREAD_COLOR` and resizes with `INTER_AREA`; `opencv-linear` resizes without averaging, "
        "which aliases; `opencv-reduced` decodes with `IMREAD_REDUCED_COLOR_2`, `pillow-draft` and `turbojpeg-half` to half "
        "likewise. The means are of the 224x224 floats of each picture, which range from -1 to 1; the largest difference counts."
    )


def steady(rows: list[dict]) -> str:
    lines = []
    for row in rows:
        setting, sides, ratios = row["setting"], row["sides"], row["ratios"]
        lines.append([
            setting["model"], setting["size"], show(sides[OURS]["cpu_ms"]), show(sides[THEIR_OWN]["cpu_ms"]),
            show(sides[OURS]["core_percent"], 1), show(sides[THEIR_OWN]["core_percent"], 1),
            show(ratios["cpu_ms"]), show(ratios["outside_ms"]),
        ])  # fmt: skip
    head = ["model", "frames", "CPU ms a frame: glimpsed", "Python", "% of a core: glimpsed", "Python", "ours / theirs",
            "outside inference"]  # fmt: skip
    return table("", head, lines)


def growth(results: dict, images: str) -> str:
    grown, parts = results["growth"], []
    for name, (axis, value) in {"resolution": ("frames", "size"), "rate": ("frames a second wanted", "fps"),
                                "threads": ("threads", "threads")}.items():  # fmt: skip
        lines = []
        for row in grown[name]:
            sides, ratios = row["sides"], row["ratios"]
            lines.append([
                f"{row['setting'][value]:g}" if value != "size" else row["setting"][value],
                *(show(sides[side][key], digits) for key, digits in (("cpu_ms", 2), ("fps", 1), ("core_percent", 1))
                  for side in (OURS, THEIR_OWN)),
                show(ratios["cpu_ms"]),
            ])  # fmt: skip
        head = [axis, "CPU ms a frame: glimpsed", "Python", "frames a second: glimpsed", "Python",
                "% of a core: glimpsed", "Python", "CPU, ours / theirs"]  # fmt: skip
        parts.append(table("", head, lines) + f"\n\n![Cost and {name}]({images}{name}.svg)")
    rows = grown["time"]
    first, last = rows[len(rows) // 10], rows[-1]
    told = "; ".join(
        f"{NAMES[side]} {last[side]['rss_mb'] - first[side]['rss_mb']:+.1f} MB resident, "
        f"{100 * last[side]['cpu_seconds'] / (60 * last['minutes']):.1f} % of a core"
        for side in (OURS, THEIR_OWN)
    )
    parts.append(
        f"Both at once at ten frames a second for {last['minutes']:.1f} minutes, which is a sample and no proof for days: "
        f"from minute {first['minutes']:.1f} to the end {told}.\n\n![Memory and time]({images}time.svg)\n\n"
        f"![CPU time and time]({images}time-cpu.svg)"
    )
    return "\n\n".join(parts)


def plots(results: dict, directory: Path, prefix: str = "") -> None:
    grown = results["growth"]

    def series(rows: list[dict], across, key: str) -> dict[str, list[tuple[float, float]]]:
        return {
            NAMES[side]: [(across(row["setting"]), row["sides"][side][key]["median"]) for row in rows]
            for side in (OURS, THEIR_OWN)
        }

    def megapixels(setting: dict) -> float:
        width, height = setting["size"].split("x")
        return int(width) * int(height) / 1e6

    plot.lines(directory / f"{prefix}resolution.svg", "CPU time and resolution", "megapixels", "CPU ms a frame",
               series(grown["resolution"], megapixels, "cpu_ms"))  # fmt: skip
    plot.lines(directory / f"{prefix}rate.svg", "CPU time and frame rate", "frames a second", "% of a core",
               series(grown["rate"], lambda setting: setting["fps"], "core_percent"))  # fmt: skip
    plot.lines(directory / f"{prefix}threads.svg", "Throughput and threads", "threads", "frames a second",
               series(grown["threads"], lambda setting: setting["threads"], "fps"))  # fmt: skip
    plot.lines(directory / f"{prefix}time.svg", "Memory and time", "minutes", "MB resident",
               {NAMES[side]: [(row["minutes"], row[side]["rss_mb"]) for row in grown["time"]] for side in (OURS, THEIR_OWN)})  # fmt: skip
    plot.lines(directory / f"{prefix}time-cpu.svg", "CPU time and time", "minutes", "% of a core",
               {NAMES[side]: percentages(grown["time"], side) for side in (OURS, THEIR_OWN)})  # fmt: skip


def percentages(rows: list[dict], side: str) -> list[tuple[float, float]]:
    """Of a core, between one sample and the next."""
    return [
        (after["minutes"], 100 * (after[side]["cpu_seconds"] - before[side]["cpu_seconds"]) / (60 * (after["minutes"] - before["minutes"])))
        for before, after in zip(rows, rows[1:])
    ]
