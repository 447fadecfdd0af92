#!/usr/bin/env python3
"""tokenize_script_test.py SCRIPT: what scripts/tokenize.py reads of a text, with a stand-in for transformers whose ids are bytes."""
import array
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(sys.argv.pop(1)).resolve()
STAND_IN = """
class Tokenizer:
    chat_template = "any"
    def __call__(self, text, **settings):
        return type("Encoding", (), {"input_ids": list(text.encode())})
    def __len__(self):
        return 1000
    def apply_chat_template(self, messages, **settings):
        return [number for message in messages for number in [900 if message["role"] == "user" else 901, *message["content"].encode()]]

class AutoTokenizer:
    @staticmethod
    def from_pretrained(folder):
        return Tokenizer()
"""


class TokenizeScript(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        (self.folder / "stand_in").mkdir()
        (self.folder / "stand_in" / "transformers.py").write_text(STAND_IN)
        self.addCleanup(shutil.rmtree, self.folder)

    def run_script(self, path, *more):
        return subprocess.run([sys.executable, SCRIPT, self.folder, path, "-o", self.folder / "out.u16", "--json", *more],
                              env={**os.environ, "PYTHONPATH": str(self.folder / "stand_in")}, capture_output=True, text=True,
                              timeout=60)

    def ids(self, name, content, *more):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        done = self.run_script(path, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.facts = json.loads(done.stdout)
        return list(array.array("H", (self.folder / "out.u16").read_bytes()))

    def test_line_ends(self):
        self.assertEqual(bytes(self.ids("a.txt", b"a\r\nb\rc\n")), b"a\nb\nc\n")
        self.assertEqual(bytes(self.ids("a.txt.gz", gzip.compress(b"a\r\nb"))), b"a\nb")

    def test_records(self):
        lines = b'{"text": "a\\r\\n", "score": NaN}\r\n\n{"text": null}\n{"content": "b"}\n{"text": NaN}\n'
        self.assertEqual(bytes(self.ids("a.jsonl", lines)), b"a\r\n\n\nb")
        self.assertEqual((self.facts["records"], self.facts["skipped"]), (4, 2))
        self.assertEqual(bytes(self.ids("a.jsonl.gz", gzip.compress(b'{"body": "x"}'), "--text-key", "body")), b"x")

    def test_a_folder(self):
        self.ids("set/b.txt", b"two")
        self.ids("set/a.jsonl", b'{"text": "one"}')
        done = self.run_script(self.folder / "set")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(bytes(list(array.array("H", (self.folder / "out.u16").read_bytes()))), b"one\n\ntwo")

    def test_chats(self):
        chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
        shared = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}
        lines = (json.dumps(chat) + "\n" + json.dumps(shared)).encode()
        self.assertEqual(self.ids("chat.jsonl", lines), [900, ord("q"), 901, ord("a")] * 2)

    def test_what_is_refused(self):
        for name, content, said in (("a.csv", b"x", "a.csv"), ("a.jsonl", b'{"instruction": "i"}', "instruction"),
                                    ("b.txt", b"\xff", "UnicodeDecodeError")):
            path = self.folder / name
            path.write_bytes(content)
            done = self.run_script(path)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
