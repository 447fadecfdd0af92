"""The dashboard in a real browser: a job from the table to its report, by keyboard, narrow, light and dark.

With CCE_SCREENSHOTS=DIR the pictures are kept there. Exit 77 where no chromium is installed.
"""
import os
import pathlib
import re
import shutil
import sys
import unittest

import browser
import cce_case
import served

NARROW = 400
SMALLEST_PICTURE_BYTES = 5000


class Dashboard(served.ServedCase):
    def setUp(self):
        super().setUp()
        self.browser = browser.Browser()
        self.addCleanup(self.browser.__exit__)
        kept = os.environ.get("CCE_SCREENSHOTS")
        self.pictures = pathlib.Path(kept or self.folder)

    def picture(self, name, whole=True):
        data = self.browser.screenshot(self.pictures / f"{name}.png", whole)
        self.assertGreater(len(data), SMALLEST_PICTURE_BYTES, f"{name} shows nothing")
        return data

    def count(self, selector):
        return self.browser.evaluate(f"document.querySelectorAll({selector!r}).length")

    def check_fits(self, what):
        wide = self.browser.evaluate("document.documentElement.scrollWidth")
        self.assertLessEqual(wide, self.browser.evaluate("innerWidth"), f"{what} is wider than the screen")

    def check_quiet(self):
        self.assertEqual(self.browser.messages, [], "errors in the browser's console")

    def tab_to(self, selector):
        """Presses Tab until an element is reached; a person without a mouse can do no more."""
        for _ in range(40):
            self.browser.press("Tab")
            if self.browser.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        self.fail(f"the Tab key does not lead to {selector}")

    def test_a_job_from_the_table_to_its_report(self):
        self.browser.open(self.url + "/")
        self.browser.wait_for("document.body.innerText.includes('No jobs')")
        job_id = self.submit(self.small_recipe())
        self.browser.wait_for("document.querySelector('tbody tr')")
        self.wait_for_state(job_id, "completed")
        self.browser.wait_for("document.querySelector('.state.completed')")
        self.picture("jobs", whole=False)
        self.tab_to("tbody a")
        self.browser.press("Enter")
        self.browser.wait_for("document.getElementById('spectra')")
        self.assertEqual(self.browser.evaluate("location.hash"), f"#/jobs/{job_id}")
        self.assertEqual(self.browser.evaluate("document.activeElement.tagName"), "H1", "the new page has the focus")
        self.browser.wait_for("document.querySelectorAll('#spectra svg').length === 2")
        for section in ("before-after", "signatures", "widths", "nats", "similarity", "spectra", "costs"):
            self.assertEqual(self.count(f"#{section}"), 1, section)
        self.assertEqual(self.count("#similarity .cell"), 2 * (25 + 11), "5 x 5 layers, twice, and their scales")
        self.browser.wait_for("document.querySelector('pre.log').textContent.includes('state completed')")
        stages = self.browser.evaluate("[...document.querySelectorAll('ol.stages .note')].map(e => e.textContent)")
        self.assertEqual(len(stages), 6)
        self.assertTrue(all("done in" in text for text in stages), stages)
        report = self.browser.evaluate("document.querySelector('#before-after').innerText")
        self.assertIn("parameters of the blocks", report)
        self.assertIn("perplexity, text", report)
        captions = self.browser.evaluate("[...document.querySelectorAll('#nats figcaption')].map(e => e.textContent)")
        self.assertEqual(len(captions), 2, captions)
        self.assertIn("own removal", captions[0])
        self.assertIn("gathered", captions[1])
        self.assertIn("model.safetensors", self.browser.text())
        for scheme in ("light", "dark"):
            self.browser.prefer(scheme)
            self.browser.resize(1280, 900)
            self.check_fits(scheme)
            self.picture(f"job-{scheme}")
            self.browser.resize(NARROW, 800)
            self.browser.wait_for(f"document.querySelector('#spectra svg').viewBox.baseVal.width < {NARROW}")
            self.check_fits(f"{scheme}, narrow")
            self.picture(f"job-{scheme}-{NARROW}")
        self.check_quiet()

    def test_live_progress_cancel_and_resume_by_keyboard(self):
        job_id = self.submit(self.long_recipe())
        self.browser.open(f"{self.url}/#/jobs/{job_id}")
        self.browser.wait_for("document.querySelector('progress') && document.querySelector('progress').value > 0")
        self.browser.wait_for("document.querySelectorAll('figure polyline').length >= 2")
        self.assertIn("tokens/s", self.browser.text())
        self.picture("live")
        self.tab_to("button.bad")
        self.browser.press("Enter")
        self.browser.wait_for("document.querySelector('dialog[open]')")
        self.browser.press("Escape")
        self.browser.wait_for("!document.querySelector('dialog')")
        self.assertEqual(self.job(job_id)["state"], "running")
        self.tab_to("button.bad")
        self.browser.press("Enter")
        self.tab_to("dialog button.bad")
        self.browser.press("Enter")
        self.wait_for_state(job_id, "cancelled")
        self.browser.wait_for("document.querySelector('.state.cancelled')")
        self.tab_to("button.main")
        self.browser.press("Enter")
        self.browser.wait_for("document.querySelector('.state.running')")
        self.run_cce("cancel", job_id, "--server", self.url)
        self.browser.wait_for("document.querySelector('.state.cancelled')")
        self.check_quiet()

    def test_a_lost_connection_is_said_and_made_again(self):
        proxy = served.CuttingProxy(self.url, cut_after=40000)
        self.addCleanup(proxy.close)
        job_id = self.submit(self.small_recipe())
        self.browser.open(f"{proxy.url}/#/jobs/{job_id}")
        self.browser.wait_for("document.querySelector('pre.log').textContent.includes('state completed')")
        self.browser.wait_for("document.getElementById('connection').textContent === 'live'")
        log = self.browser.evaluate("document.querySelector('pre.log').textContent").splitlines()
        # Every event once, in order, in the words of the command line; clocks and roundings may differ.
        told = self.run_cce("logs", job_id, "--server", self.url).out.splitlines()
        words = [[re.sub(r"[0-9][0-9.e+-]*", "#", line.split("  ", 1)[1]) for line in lines] for lines in (log, told)]
        self.assertEqual(*words)

    def test_the_token_is_asked_for_and_text_never_becomes_markup(self):
        token = self.folder / "token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        token.chmod(0o600)
        self.stop_server(self.server)
        evil = self.folder / "<img src=x onerror=document.title=1>"
        shutil.copytree(cce_case.STORIES, evil)
        self.url = self.start_server("--token-file", token)
        self.browser.open(self.url + "/")
        self.browser.wait_for("document.getElementById('token')")
        self.browser.type("wrong-wrong-wrong-wrong")
        self.browser.press("Enter")
        self.browser.wait_for("document.body.innerText.includes('did not take')")
        self.browser.type("0123456789abcdef0123456789abcdef")
        self.browser.press("Enter")
        self.browser.wait_for("document.body.innerText.includes('No jobs')")
        path = self.write_recipe(self.small_recipe(model=str(evil)))
        self.run_cce("submit", path, "--server", self.url, "--token-file", token)
        self.browser.wait_for("document.querySelector('tbody a')")
        self.assertIn("<img", self.browser.evaluate("document.querySelector('tbody a').textContent"))
        self.assertEqual(self.count("img"), 0)


if __name__ == "__main__":
    if browser.program() is None:
        print("skipped: no chromium here (apt-get install chromium)")
        sys.exit(77)
    unittest.main()
