#!/usr/bin/env python3
"""Writes tests/goldens/e2e.json: what tests/e2e/golden_test.py expects of one rank on stories260K.

    CCE_PROGRAM=build/release/bin/cce scripts/conformance/e2e_goldens.py

The dense perplexity has an oracle (tests/data/models/README.md); the compressed one is this program's own, kept so that
a change of quality is seen. Explain in the commit why new figures are right.
"""
import json
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent.parent / "tests"
sys.path.insert(0, str(TESTS / "e2e"))
import cce_case  # noqa: E402  (its folder comes first)


class Goldens(cce_case.CceCase):
    def runTest(self):
        goldens = {}
        for name in ("uniform", "custom"):
            self.compress(cce_case.recipe(export={"format": name}), name)
            report = self.report(name)
            goldens[name] = {"perplexity": report["evaluation"]["perplexity"]["text"],
                             "widths": [list(row) for row in cce_case.widths(report)]}
        (TESTS / "goldens" / "e2e.json").write_text(json.dumps(goldens, indent=2) + "\n")


if __name__ == "__main__":
    cce_case.unittest.main(argv=[sys.argv[0]])
