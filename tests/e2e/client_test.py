"""The client commands against a real server: what was submitted comes back, whatever the connection does."""
import json
import os
import signal
import subprocess
import unittest

import cce_case
import served


class Client(served.ServedCase):
    def proxy(self, **settings):
        proxy = served.CuttingProxy(self.url, **settings)
        self.addCleanup(proxy.close)
        return proxy

    def stream_of(self, job_id):
        """A finished job's whole stream, as JSON, from the server itself."""
        found = self.run_cce("logs", job_id, "--json", "--server", self.url)
        return [json.loads(line) for line in found.out.splitlines()]

    def test_submit_follow_status_and_fetch(self):
        path = self.write_recipe(self.small_recipe())
        found = self.run_cce("submit", path, "--follow", "--server", self.url)
        self.assertIn("parameters of the blocks", found.out)
        self.assertIn("[6/6] export", found.err)
        jobs = json.loads(self.run_cce("jobs", "--json", "--server", self.url).out)
        self.assertEqual([job["state"] for job in jobs], ["completed"])
        job_id = jobs[0]["id"]
        self.assertIn(job_id, self.run_cce("jobs", "--state", "completed", "--server", self.url).out)
        self.assertIn("completed", self.run_cce("status", job_id, "--server", self.url).out)
        self.assertIn("state completed", self.run_cce("logs", job_id, "--server", self.url).out)
        self.run_cce("logs", "-f", job_id, "--server", self.url)
        self.run_cce("fetch", job_id, "--out", "fetched", "--quiet", "--server", self.url)
        self.compress(self.small_recipe(), "local")
        self.assert_same_result("fetched", "local")
        self.run_cce("evaluate", "fetched", "--text", cce_case.STORIES_TOKENS, "--length", 128, "--threads", 1, "--quiet",
                     "--ranks", 1)

    def test_a_stream_through_a_cutting_proxy_loses_nothing_and_repeats_nothing(self):
        proxy = self.proxy(cut_after=2500)
        job_id = self.submit(self.small_recipe(), proxy.url)
        followed = self.run_cce("logs", "-f", job_id, "--json", "--server", proxy.url)
        seen = [json.loads(line) for line in followed.out.splitlines()]
        self.assertGreater(proxy.cuts, 1, "the proxy cut nothing: the test shows nothing")
        self.assertEqual(seen, self.stream_of(job_id))
        events = [item for item in seen if "seq" in item]
        lines = (self.job_folder(job_id) / "events.jsonl").read_text().splitlines()
        self.assertEqual(events, [json.loads(line) for line in lines])

    def test_a_result_through_a_cutting_proxy_is_whole(self):
        job_id = self.submit(self.small_recipe())
        self.wait_for_state(job_id, "completed")
        proxy = self.proxy(cut_after=150000)
        self.run_cce("fetch", job_id, "--out", "fetched", "--server", proxy.url)
        self.assertGreater(proxy.cuts, 1, "the proxy cut nothing: the test shows nothing")
        result = self.job_folder(job_id) / "result"
        names = sorted(path.relative_to(result) for path in result.rglob("*") if path.is_file())
        self.assertIn("model.safetensors", map(str, names))
        self.assertEqual(sorted(path.relative_to(self.folder / "fetched") for path in (self.folder / "fetched").rglob("*")),
                         names)
        for name in names:
            self.assertEqual((self.folder / "fetched" / name).read_bytes(), (result / name).read_bytes(), name)

    def test_a_server_that_is_killed_and_comes_back_is_followed_on(self):
        job_id = self.submit(self.small_recipe(calibration={"sequences": 64, "gradient_sequences": 64}))
        with open(self.folder / "followed.jsonl", "w", encoding="utf-8") as out:
            follower = subprocess.Popen(self.command("logs", "-f", job_id, "--json", "--server", self.url), stdout=out,
                                        stderr=subprocess.DEVNULL, env=self.environment())
        self.addCleanup(follower.kill)
        self.wait_for("events", lambda: (self.folder / "followed.jsonl").read_text().count("\n") > 4)
        port = self.url.rsplit(":", 1)[1]
        self.stop_server(self.server, signal.SIGKILL)
        self.url = self.start_server(listen=f"127.0.0.1:{port}")
        self.assertEqual(follower.wait(served.WAIT_SECONDS), 0)
        seen = [json.loads(line) for line in (self.folder / "followed.jsonl").read_text().splitlines()]
        self.assertEqual(seen, self.stream_of(job_id))
        self.assertEqual(seen[-1]["state"], "completed")

    def test_ctrl_c_detaches_then_cancel_and_resume(self):
        job_id = self.submit(self.long_recipe())
        follower = subprocess.Popen(self.command("logs", "-f", job_id, "--server", self.url), stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True, env=self.environment())
        self.addCleanup(follower.stderr.close)
        self.addCleanup(follower.kill)
        self.assertIn("queued", follower.stderr.readline())
        self.wait_for_state(job_id, "running")
        follower.send_signal(signal.SIGINT)
        said = follower.stderr.read()
        self.assertEqual(follower.wait(served.WAIT_SECONDS), 0, said)
        self.assertIn(f"cce logs -f {job_id}", said)
        self.assertEqual(self.job(job_id)["state"], "running")
        self.run_cce("cancel", job_id, "--server", self.url)
        self.wait_for_state(job_id, "cancelled")
        self.run_cce("logs", "-f", job_id, "--server", self.url, status=5)
        self.run_cce("fetch", job_id, "--out", "none", "--server", self.url, status=2)
        self.run_cce("resume", job_id, "--server", self.url)
        self.wait_for_state(job_id, "running")
        self.run_cce("cancel", job_id, "--server", self.url)
        self.wait_for_state(job_id, "cancelled")

    def test_the_same_key_is_one_job(self):
        path = self.write_recipe(self.small_recipe())
        flags = ("submit", path, "--idempotency-key", "mine", "--server", self.url)
        self.assertEqual(self.run_cce(*flags).out, self.run_cce(*flags).out)
        self.assertEqual(len(json.loads(self.run_cce("jobs", "--json", "--server", self.url).out)), 1)

    def test_what_the_server_refuses_is_said(self):
        outside = self.small_recipe(model="/etc")
        found = self.run_cce("submit", self.write_recipe(outside), "--server", self.url, status=2)
        self.assertIn("model", found.err)
        found = self.run_cce("status", "no-such-job", "--server", self.url, status=2)
        self.assertIn("no-such-job", found.err)
        self.run_cce("jobs", "--server", "http://127.0.0.1:9", status=1)

    def test_a_token_and_tls(self):
        token = self.folder / "token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        token.chmod(0o600)
        self.stop_server(self.server)
        self.url = self.start_server("--token-file", token)
        found = self.run_cce("jobs", "--server", self.url, status=2)
        self.assertIn("--token-file", found.err)
        self.run_cce("jobs", "--server", self.url, "--token-file", token)
        pair = served.self_signed(self.folder)
        if not pair:
            self.skipTest("no openssl program here to make a certificate")
        proxy = self.proxy(certificate=pair[0], key=pair[1])
        found = self.run_cce("jobs", "--server", proxy.url, "--token-file", token, status=1)
        self.assertIn("certificate", found.err)
        os.environ["SSL_CERT_FILE"] = str(pair[0])
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
        self.run_cce("jobs", "--server", proxy.url, "--token-file", token)
        # The same certificate under another name than its own.
        other = proxy.url.replace("localhost", "127.0.0.1")
        self.run_cce("jobs", "--server", other, "--token-file", token, status=1)


if __name__ == "__main__":
    unittest.main()
