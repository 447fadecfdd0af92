"""Checkpoints as they are published and as downloads leave them: read, or refused by every command with what mends them."""
import json
import shutil
import struct
import unittest

import cce_case

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 1000\n"


def rename_tensors(path, change):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    text = json.dumps({change(name): entry for name, entry in header.items()}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size:])


class Published(cce_case.CceCase):
    def refused_everywhere(self, content, *parts):
        """plan, compress, evaluate and analyze say the same."""
        recipe = self.write_recipe(content)
        model, text = content["model"], content["calibration"]["text"][0]["path"]
        said = set()
        for command in (("plan", recipe), ("compress", recipe, "--out", "out"),
                        ("evaluate", model, "--text", text, "--length", 128),
                        ("analyze", "--model", model, "--text", text, "--length", 128)):
            found = self.run_cce(*command, status=2)
            for part in parts:
                self.assertIn(part, found.err, str(found))
            said.add(found.err)
        self.assertEqual(len(said), 1, said)
        self.assertFalse((self.folder / "out.job").exists())

    def test_pointers_of_git_lfs(self):
        for name in ("model.safetensors", "tokenizer.json", "config.json"):
            with self.subTest(name=name):
                model = self.copy_model("stories260K", "model-" + name)
                (model / name).write_text(POINTER)
                self.refused_everywhere(cce_case.recipe(model=model), name, "Git LFS pointer", "git lfs pull")
        text = self.folder / "text.txt"
        text.write_text(POINTER)
        self.refused_everywhere(cce_case.recipe(text=text), "text.txt", "Git LFS pointer", "git lfs pull")

    def test_weights_of_pytorch(self):
        model = self.copy_model("stories260K")
        (model / "model.safetensors").rename(model / "pytorch_model.bin")
        self.refused_everywhere(cce_case.recipe(model=model), "pytorch_model.bin", "save_pretrained")

    def test_a_name_of_the_hub(self):
        self.refused_everywhere(cce_case.recipe(model="org/name"), "hf download org/name")

    def test_a_tensor_that_nothing_reads(self):
        model = self.copy_model("llama_mha")
        rename_tensors(model / "model.safetensors",
                       lambda name: name.replace("layers.1.mlp.up_proj", "layers.9.mlp.up_proj"))
        self.refused_everywhere(cce_case.recipe(model=model), "model.layers.1.mlp.up_proj.weight")

    def test_a_snapshot_of_links_and_names_without_prefix_give_the_same_bytes(self):
        snapshot = self.folder / "models--org--name/snapshots/0123abc"
        blobs = self.folder / "models--org--name/blobs"
        snapshot.mkdir(parents=True)
        blobs.mkdir()
        for file in cce_case.STORIES.iterdir():
            shutil.copy(file, blobs / f"{file.name}-blob")
            (snapshot / file.name).symlink_to(f"../../blobs/{file.name}-blob")
        bare = self.copy_model("stories260K", "bare")
        rename_tensors(bare / "model.safetensors", lambda name: name.removeprefix("model."))
        for out, model in (("plain", cce_case.STORIES), ("links", snapshot), ("names", bare)):
            self.compress(cce_case.recipe(model=model, resources={"ranks": 2}), out)
        for out in ("links", "names"):
            self.assert_same_result("plain", out)


if __name__ == "__main__":
    unittest.main()
