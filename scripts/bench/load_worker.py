#!/usr/bin/env python3
"""load_worker.py JOB ...: stands in for cce-worker where only the server is measured. Writes LOAD_FIRST events at once and
then LOAD_RATE a second until JOB/control/cancel is there."""
import json
import os
import pathlib
import sys
import time


def event(seq, kind, **more):
    return json.dumps({"seq": seq, "time": time.time(), "type": kind, "stage": more.pop("stage", ""), "layer": more.pop("layer", None),
                       "done": more.pop("done", 0), "total": more.pop("total", 0), "metrics": more.pop("metrics", {}), **more},
                      separators=(",", ":")) + "\n"


def progress(seq):
    return event(seq, "progress", stage="encode", layer=seq % 30, done=seq % 1000, total=1000,
                 metrics={"tokens_per_second": 12345.678, "eta_seconds": 60.5, "peak_bytes": 2147483648.0})


def main():
    job = pathlib.Path(sys.argv[1])
    first, rate = int(os.environ.get("LOAD_FIRST", "10000")), float(os.environ.get("LOAD_RATE", "10"))
    with open(job / "events.jsonl", "a", encoding="utf-8") as events:
        events.write(event(1, "started"))
        events.write(event(2, "stage_started", stage="encode"))
        events.writelines(progress(seq) for seq in range(3, first + 1))
        events.flush()
        seq = max(first, 2)
        while not (job / "control" / "cancel").exists():
            time.sleep(1.0 / rate)
            seq += 1
            events.write(progress(seq))
            events.flush()
        events.write(event(seq + 1, "cancelled", stage="encode"))
    return 5


if __name__ == "__main__":
    sys.exit(main())
