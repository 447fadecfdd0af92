#!/usr/bin/env python3
"""random_checkpoint_test.py: scripts/make_random_checkpoint.py writes the same bytes however many threads write them, weights
of the promised spread, in little memory, and a folder that cce compresses. Exit 77 where there is no numpy."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

MAKER = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "make_random_checkpoint.py"
SHAPE = ["--layers", "2", "--hidden", "64", "--ffn", "192", "--heads", "4", "--kv-heads", "2", "--vocabulary", "512",
         "--windows", "16", "--window-tokens", "64"]


def make(folder, threads):
    subprocess.run([sys.executable, MAKER, folder, *SHAPE, "--threads", str(threads)], check=True, timeout=120)
    return (folder / "model.safetensors").read_bytes()


def check_weights(data):
    import numpy
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    spread, norms = [], 0
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        words = numpy.frombuffer(data[first:last], dtype="<u2").astype(numpy.uint32)
        values = (words << 16).view(numpy.float32)
        if len(entry["shape"]) == 1:
            assert (values == 1.0).all(), name
            norms += 1
        else:
            spread.append(values.std())
            assert abs(values.mean()) < 0.002, (name, values.mean())
    assert norms == 5 and len(spread) == 16, (norms, len(spread))
    assert all(abs(value - 0.02) < 0.002 for value in spread), spread


def check_memory(folder):
    """Tensors of 8 million values, which a thread must not hold whole."""
    process = subprocess.Popen([sys.executable, MAKER, folder, "--layers", "1", "--hidden", "1024", "--ffn", "8192", "--heads", "8",
                                "--kv-heads", "8", "--vocabulary", "8192", "--threads", "8"])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    assert usage.ru_maxrss < 250 * 1024, f"{usage.ru_maxrss} KiB"


def main():
    try:
        import numpy  # noqa: F401
    except ImportError:
        print("skipped: this Python has no numpy")
        return 77
    with tempfile.TemporaryDirectory(prefix="random-checkpoint-") as name:
        scratch = pathlib.Path(name)
        data = make(scratch / "one", 1)
        assert data == make(scratch / "three", 3), "other bytes with other threads"
        check_weights(data)
        check_memory(scratch / "large")
        subprocess.run([os.environ["CCE_PROGRAM"], "compress", "--model", scratch / "one", "--text",
                        scratch / "one" / "random.tokens.u16", "--length", "64", "--sequences", "8", "--out", scratch / "out"],
                       check=True, timeout=300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
