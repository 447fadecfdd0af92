"""Checkpoints as they are published and as downloads leave them: read, or refused by every command with what mends them."""
import json
import random
import shutil
import struct
import unittest

import cce_case

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 1000\n"


def read_tensors(path):
    """{name: (dtype, shape, bytes)}"""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], content[8 + size:][slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def write_tensors(path, tensors):
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def rename_tensors(path, change):
    write_tensors(path, {change(name): tensor for name, tensor in read_tensors(path).items()})


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
            said.add(found.err.replace("evaluate.text", "calibration.text"))  # each names the key that it was given
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

    def test_texts_and_tokenizers_that_cannot_be_used_are_refused_by_plan_too(self):
        model = self.copy_model("stories260K")
        shutil.copy(cce_case.TESTS / "data/tokenizers/smollm.json", model / "tokenizer.json")
        texts = {"latin1.txt": (b"caf\xe9 " * 2000, "UTF-8"), "table.parquet": (b"PAR1 no table", "parquet"),
                 "no-key.jsonl": (b'{"label": 1}\n' * 2000, "no-key.jsonl"), "short.txt": (b"a few words " * 30, "text_too_short"),
                 "late.txt": (b"many words of text " * 4000 + b"\xff", "UTF-8")}
        for name, (content, word) in texts.items():
            with self.subTest(name=name):
                text = self.folder / name
                text.write_bytes(content)
                self.refused_alike(model, text, word)
        (self.folder / "good.txt").write_text("many words of text " * 4000)
        (model / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}')
        self.refused_alike(model, self.folder / "good.txt", "tokenizer.json")

    def refused_alike(self, model, text, word):
        """The same error by plan, without a job, and by compress."""
        flags = ("--model", model, "--text", text, "--length", 64, "--sequences", 32, "--ranks", 1)
        said = []
        for command in (("plan",), ("compress", "--out", "out", "--quiet")):
            found = self.run_cce(*command, *flags, status=2)
            self.assertIn(word, found.err)
            said.append(found.err)
        self.assertEqual(*said)
        shutil.rmtree(self.folder / "out.job", ignore_errors=True)

    def test_fp8_weights_are_the_numbers_that_they_stand_for(self):
        values = json.loads((cce_case.TESTS / "goldens/fp8.json").read_text())["F8_E4M3"]
        plain, fp8 = self.copy_model("stories260K", "plain-model"), self.copy_model("stories260K", "fp8-model")
        tensors, source = read_tensors(plain / "model.safetensors"), random.Random(1)
        stored, numbers, block = dict(tensors), dict(tensors), 32
        for name, (_, (rows, cols), _) in [row for row in tensors.items() if "_proj" in row[0]]:
            data = bytes(source.choice((0x10, 0x18, 0x20, 0x90, 0x98, 0xa0, 0)) for _ in range(rows * cols))
            blocks = [-(-rows // block), -(-cols // block)]
            scales = [source.choice((0.25, 0.5, 1.0)) for _ in range(blocks[0] * blocks[1])]
            read = [values[data[row * cols + col]] * scales[row // block * blocks[1] + col // block]
                    for row in range(rows) for col in range(cols)]
            stored[name] = ("F8_E4M3", [rows, cols], data)
            stored[name + "_scale_inv"] = ("F32", blocks, struct.pack(f"<{len(scales)}f", *scales))
            numbers[name] = ("F32", [rows, cols], struct.pack(f"<{len(read)}f", *read))
        write_tensors(plain / "model.safetensors", numbers)
        write_tensors(fp8 / "model.safetensors", stored)
        config = json.loads((fp8 / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [block, block]}
        (fp8 / "config.json").write_text(json.dumps(config))
        for out, model in (("plain", plain), ("fp8", fp8)):
            self.compress(cce_case.recipe(model=model, resources={"ranks": 2}), out)
        self.assertEqual((self.folder / "plain/model.safetensors").read_bytes(),
                         (self.folder / "fp8/model.safetensors").read_bytes())
        self.assertNotIn("quantization_config", json.loads((self.folder / "fp8/config.json").read_text()))

    def test_what_the_result_could_not_hold_is_refused_before_any_work(self):
        model = self.copy_model("stories260K")
        tensors = read_tensors(model / "model.safetensors")
        name = "model.layers.1.mlp.up_proj.weight"
        dtype, shape, data = tensors[name]
        tensors[name] = (dtype, shape, data[:8] + struct.pack("<f", 70000.0) + data[12:])
        write_tensors(model / "model.safetensors", tensors)
        found = self.compress(cce_case.recipe(model=model, export={"dtype": "f16"}), "out", status=2)
        for part in (name, "70000", "65504", "export.dtype"):
            self.assertIn(part, found.err)
        self.assertFalse((self.folder / "out.job").exists())


if __name__ == "__main__":
    unittest.main()
