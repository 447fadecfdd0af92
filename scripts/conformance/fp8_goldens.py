#!/usr/bin/env python3
"""fp8_goldens.py OUT.json: the numbers that the 256 bytes of each 8-bit floating-point dtype stand for, by PyTorch.

{"F8_E4M3": [...], "F8_E5M2": [...]}; NaN and infinities as strings. Needs torch.
"""
import json
import math
import sys

import torch

DTYPES = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}


def plain(value):
    return value if math.isfinite(value) else "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def main(out):
    every_byte = torch.arange(256, dtype=torch.uint8)
    goldens = {name: [plain(value) for value in every_byte.view(dtype).to(torch.float32).tolist()]
               for name, dtype in DTYPES.items()}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(goldens, file)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
