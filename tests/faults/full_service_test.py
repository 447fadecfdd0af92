"""cce serve on a disk that fills up, by a tmpfs where this machine lets us mount one: jobs are refused with a remedy, nothing is
half-made, and once there is room again the server goes on."""
import json
import subprocess
import unittest
import urllib.error
import urllib.request

import cce_case
import served

CONFLICT, INSUFFICIENT_STORAGE = 409, 507
DISK_KIBIBYTES = 32 * 1024
MOST_POSTS = 200  # the log's file has room for some while the disk has none


class FullService(served.ServedCase):
    def setUp(self):
        self.mounted = None
        super().setUp()

    def start_server(self, *flags, **options):
        if self.mounted is None:
            self.mounted = self.folder / "served"
            self.mounted.mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_KIBIBYTES}k", "none", str(self.mounted)],
                                  capture_output=True, text=True, timeout=60, check=False)
            if done.returncode != 0:
                self.skipTest(f"no tmpfs can be mounted here: {done.stderr.strip()}")
            self.addCleanup(subprocess.run, ["umount", "--lazy", str(self.mounted)], timeout=60, check=True)
        return super().start_server(*flags, **options)

    def fill(self):
        with open(self.mounted / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def listed(self):
        with urllib.request.urlopen(f"{self.url}/v1/jobs?limit=1000", timeout=served.WAIT_SECONDS) as answer:
            return sorted(job["id"] for job in json.load(answer)["jobs"])

    def post_until_refused(self):
        """The ids of the jobs that were taken, and the problem that ended it."""
        taken = []
        for _ in range(MOST_POSTS):
            status, answer = self.post(cce_case.recipe())
            if status != 201:
                break
            taken.append(answer["id"])
        self.assertEqual(status, INSUFFICIENT_STORAGE, answer)
        self.assertEqual(answer["code"], "disk_full")
        self.assertIn("space", answer["remedy"])
        self.assertEqual(self.listed(), sorted(taken), "what was refused left nothing behind")
        return taken

    def withdraw(self, jobs):
        for job in jobs:
            request = urllib.request.Request(f"{self.url}/v1/jobs/{job}", method="DELETE")
            try:
                with urllib.request.urlopen(request, timeout=served.WAIT_SECONDS):
                    pass
            except urllib.error.HTTPError as error:
                with error:
                    self.assertEqual(error.code, CONFLICT, "its worker met the full disk")

    def complete_one(self):
        status, job = self.post(cce_case.recipe())
        self.assertEqual(status, 201, job)
        self.assertEqual(self.wait_for_state(job["id"], "completed", "failed")["state"], "completed")

    def test_the_same_server_goes_on_once_there_is_room(self):
        self.fill()
        taken = self.post_until_refused()
        (self.mounted / "filler").unlink()
        self.withdraw(taken)
        self.complete_one()

    def test_so_does_the_next_one(self):
        self.fill()
        taken = self.post_until_refused()
        self.stop_server(self.server)
        (self.mounted / "filler").unlink()
        self.url = self.start_server()
        self.assertEqual(self.listed(), sorted(taken))
        self.withdraw(taken)
        self.complete_one()


if __name__ == "__main__":
    unittest.main()
