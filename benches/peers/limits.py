"""What is wanted of the figures, and whether they hold it: ratios, ours by theirs, the medians of a run's rounds; and the cost
of a still scene, in percent of a core."""

from dataclasses import asdict, dataclass

from peers.pipeline import HALF, THEIR_OWN


@dataclass(frozen=True)
class Verdict:
    what: str
    limit: float
    measured: float
    # Of several models and sizes the worst counts; this is which.
    where: str
    holds: bool


def judge(results: dict) -> list[dict]:
    whole, half = ratios(results, THEIR_OWN), ratios(results, HALF)
    wanted = [
        ("whole pipeline, CPU a frame outside inference", 0.6, pick(whole, "outside_ms")),
        ("the same, where OpenCV decodes to half", 0.6, pick(half, "outside_ms")),
        ("whole pipeline, CPU a frame in total", 1.0, pick(whole, "cpu_ms")),
        ("the same, where OpenCV decodes to half", 1.0, pick(half, "cpu_ms")),
        ("resident memory", 0.5, pick(whole, "rss_mb")),
        ("start to the first label", 0.25, pick(whole, "first_label_ms")),
        ("decode and preprocess 1280x720 to 224x224, beside OpenCV", 0.5, prepare(results, "opencv")),
        ("the same, where OpenCV decodes to half", 0.5, prepare(results, "opencv-reduced")),
        ("a still scene at one frame a second, percent of a core", 2.0, {"ours": results["idle"]["cpu_percent"]}),
    ]
    wanted += [
        (f"{one['model']} alone, one thread, beside the fastest other one", 1.0, alone(one)) for one in results["inference"]
    ]
    return [asdict(worst(what, limit, found)) for what, limit, found in wanted]


def alone(model: dict) -> dict[str, float]:
    """Other runtimes with one thread."""
    return {row["runtime"]: row["ratio_ms"]["median"] for row in model["rows"][1:] if row["threads"] == 1}


def ratios(results: dict, side: str) -> dict[str, dict]:
    return {
        f"{one['model']}, {one['size']}": one["sides"][side]["ratios"]
        for one in results["throughput"]
        if side in one["sides"]
    }


def pick(whole: dict[str, dict], key: str) -> dict[str, float]:
    return {name: ratios[key]["median"] for name, ratios in whole.items()}


def prepare(results: dict, way: str) -> dict[str, float]:
    return {
        f"{one['size']}, {row['way']}": row["ratio_cpu"]["median"]
        for one in results["preparing"]
        if one["steps"] == "prepare" and one["size"] == "1280x720"
        for row in one["rows"]
        if row["way"] == way
    }


def worst(what: str, limit: float, found: dict[str, float]) -> Verdict:
    where = max(found, key=found.__getitem__)
    return Verdict(what, limit, found[where], where, found[where] <= limit)
