#!/usr/bin/env python3
"""dashboard_figure.py --cce PROGRAM --model DIR --text FILE [--out docs/figures/dashboard.png] [-- FLAGS of cce submit]

The picture of the dashboard in the README: serves, submits a real job, waits for its end and photographs its page in
chromium, from the top down to the similarity map. Needs chromium.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))
import browser  # noqa: E402  (the tests' browser)

WIDTH, HEIGHT = 1120, 900
DEADLINE_SECONDS = 3600


def start_server(program, folder, roots):
    command = [program, "serve", "--listen", "127.0.0.1:0", "--data", str(folder / "data")]
    for root in roots:
        command += ["--root", str(root)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return server, re.search(r"http://\S+", server.stdout.readline()).group(0)


def wait_for_end(program, url, job):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        answer = subprocess.run([program, "status", job, "--json", "--server", url], capture_output=True, text=True,
                                check=True, timeout=60)
        state = json.loads(answer.stdout)["state"]
        if state == "completed":
            return
        if state in ("failed", "cancelled", "lost"):
            sys.exit(answer.stdout)
        time.sleep(1)
    sys.exit("the job did not end in time")


def photograph(page, path):
    """The page down to the end of the similarity map."""
    page.wait_for("document.querySelectorAll('#spectra svg').length > 0")
    time.sleep(1)  # the charts' last drawing
    bottom = page.evaluate("document.getElementById('similarity').getBoundingClientRect().bottom"
                           " + scrollY + 16")
    page.screenshot(path, height=bottom)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cce", required=True)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--text", required=True, type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=REPOSITORY / "docs" / "figures" / "dashboard.png")
    parser.add_argument("flags", nargs="*", help="of cce submit")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dashboard-") as name:
        server, url = start_server(options.cce, pathlib.Path(name), [options.model, options.text.parent])
        try:
            command = [options.cce, "submit", "--model", str(options.model), "--text", str(options.text), "--server", url]
            submitted = subprocess.run([*command, *options.flags], capture_output=True, text=True, timeout=60)
            if submitted.returncode != 0:
                sys.exit(submitted.stderr)
            job = submitted.stdout.strip()
            with browser.Browser(WIDTH, HEIGHT) as page:
                page.open(f"{url}/#/jobs/{job}")
                wait_for_end(options.cce, url, job)
                photograph(page, options.out)
        finally:
            server.terminate()
            server.communicate(timeout=60)
    print(f"{options.out}: job {job}")


if __name__ == "__main__":
    main()
