"""Documents for reports, small and complete: with names that would like to be HTML, Markdown or more."""

from typing import Any

HOSTILE = "<script>alert(1)</script>|x"
AGREEMENT = {
    "percent": 98.0,
    "low_percent": 90.0,
    "high_percent": 99.6,
    "rests_on": "same class in 49 of 50 images",
}
JPEG = "/9j/4AAQSkZJRg=="
DIFFERENCES = {
    "images": 50,
    "count": 1,
    "shown": [
        {
            "name": HOSTILE,
            "before": "cat 90.0 %",
            "after": "dog 51.0 %",
            "jpeg": JPEG,
            "width": 160,
            "height": 90,
        }
    ],
}


def reduction(**changes: Any) -> dict[str, Any]:
    """A reduction of two layers, one replaced."""
    kept = {"op_type": "Conv", "method": None, "solver": None, "rank": None, "relative_error": None}
    layers = [
        {
            **kept,
            "name": HOSTILE,
            "output": "a",
            "method": "channel",
            "solver": "asymmetric",
            "rank": 3,
            "relative_error": 0.0123,
            "reason": None,
            "energy": [[1, 0.5], [8, 1.0]],
            "response_error": 0.02,
            **costs(1_620_000, 405_000),
        },
        {
            **kept,
            "name": "last",
            "output": "b",
            "reason": "not worth reducing for this target",
            "energy": [],
            "response_error": None,
            **costs(11_000, 11_000),
        },
    ]
    attempts = [
        {
            "ratio": 3.92,
            "chosen": True,
            **{key: AGREEMENT[key] for key in ("percent", "low_percent", "high_percent")},
        }
    ]
    return {
        "source": HOSTILE,
        "source_sha256": "0" * 64,
        "images": 12,
        "seconds": 3.2,
        "seed": 0,
        "methods": ["channel"],
        "versions": {"onnx": "1.2.3"},
        "macs_ratio": 3.9206,
        "params_ratio": 1.5,
        "cost_unit": "macs",
        "agreement": AGREEMENT,
        "doubts": ["too few images"],
        "uncounted": [],
        "reached": True,
        "timed": None,
        "attempts": attempts,
        "promised": [{"ratio": 2.0, "error": 0.01}],
        "layers": layers,
        "bytes_before": 2 * 2**20,
        "bytes_after": 2**20,
        "differences": DIFFERENCES,
        "bench": bench(),
        "command": f"pi-export reduce {HOSTILE}",
        **changes,
    }


def costs(before: int, after: int) -> dict[str, int]:
    return {
        f"{key}_{when}": cost
        for key in ("macs", "cost", "parameters")
        for when, cost in (("before", before), ("after", after))
    }


def evaluation() -> dict[str, Any]:
    models = [
        {
            "model": f"{name}.onnx",
            "top1_percent": top1,
            "top5_percent": None,
            "agreement_percent": 98.0,
            "agreement": AGREEMENT,
        }
        for name, top1 in (("base", 99.95), ("reduced", 99.9))
    ]
    return {"images": 2000, "folder": "test", "skipped": [], "models": models, "differences": DIFFERENCES}


def bench() -> dict[str, Any]:
    models = [
        {
            "name": name,
            "path": name,
            "sha256": "",
            "fps": 1000 / p50,
            "latency_ms": {"p50": p50, "p90": p50, "p99": 2 * p50, "min": p50 / 2},
            "peak_rss_mib": 80.0,
            "model_rss_mib": 10.0,
            "round_p50_ms": [p50],
            "engine": "onnxruntime",
        }
        for name, p50 in (("base.onnx", 2.0), ("reduced.onnx", 1.0))
    ]
    machine = {
        "model": "unknown",
        "cpu": "A CPU",
        "arch": "x86_64",
        "os": "Debian",
        "kernel": "6",
        "cores": 2,
        "threads": 1,
        "versions": {"numpy": "2"},
        "temperature_before_c": None,
        "temperature_after_c": None,
    }
    return {
        "models": models,
        "speedup": 2.0,
        "speedup_min": 1.9,
        "speedup_max": 2.1,
        "valid": False,
        "reasons": ["a busy machine"],
        "timed": "session.run alone",
        "rounds": 3,
        "seconds": 0.5,
        "machine": machine,
    }
