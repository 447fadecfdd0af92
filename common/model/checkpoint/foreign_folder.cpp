#include "common/model/checkpoint/foreign_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>
#include <string_view>

#include "common/base/error.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

/// One kind of folder: a file that only it has, what it is, and what makes a checkpoint of it. In remedies DIR
/// stands for the folder, FILE for the file that was found and NEW for a folder that is made.
struct ForeignKind {
  bool (*has)(std::string_view name);
  std::string_view found;
  std::string_view remedy;
};

template <std::size_t N>
struct Literal {
  char text[N];
  constexpr Literal(const char (&from)[N]) { std::copy_n(from, N, text); }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

template <Literal start, Literal end>
bool is_between(std::string_view name) {
  return name.size() >= start.view().size() + end.view().size() && name.starts_with(start.view()) &&
         name.ends_with(end.view());
}

constexpr std::string_view adapter_found =
    "a LoRA adapter (adapter_config.json), which holds changes to a model and not the model";
constexpr std::string_view adapter_remedy =
    "Merge it into its model first: python3 -c \"from peft import AutoPeftModelForCausalLM as A; "
    "A.from_pretrained('DIR').merge_and_unload().save_pretrained('NEW')\", then copy the tokenizer's files";

constexpr ForeignKind gguf_kind{
    is_between<"", ".gguf">, "a GGUF file (FILE), a format of quantised weights",
    "Take the model that it was made from, which its card names: hf download ORG/NAME --local-dir "
    "NEW. Where that is gone, transformers reads the GGUF: "
    "AutoModelForCausalLM.from_pretrained('DIR', gguf_file='FILE')"};

constexpr std::array foreign_kinds = {
    ForeignKind{is_between<"adapter_config", ".json">, adapter_found, adapter_remedy},
    ForeignKind{is_between<"adapter_model", "">, adapter_found, adapter_remedy},
    ForeignKind{is_between<"pytorch_model", ".bin">, "PyTorch weights (FILE) and no safetensors",
                "Load it in transformers and save_pretrained it, which writes safetensors: python3 -c \"from "
                "transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
                "M.from_pretrained('DIR').save_pretrained('NEW'); "
                "T.from_pretrained('DIR').save_pretrained('NEW')\""},
    ForeignKind{is_between<"pytorch_model", ".bin.index.json">,
                "the index of PyTorch weights (FILE) without their shards and no safetensors",
                "Download the model again with its *.safetensors files, or with all shards that FILE lists"},
    gguf_kind,
    ForeignKind{
        is_between<"consolidated", ".pth">, "the original files of Meta (FILE), not those of Hugging Face",
        "Download the Hugging Face form of the model: hf download ORG/NAME --exclude 'original/*' "
        "--local-dir NEW. Where there is none, transformers has a script of each family that converts them "
        "(convert_..._weights_to_hf.py)"},
    ForeignKind{
        is_between<"consolidated", ".safetensors">, "a maker's own files (FILE), not those of Hugging Face",
        "Download the files of Hugging Face's form that the same repository has: hf download ORG/NAME "
        "--exclude 'consolidated*' --local-dir NEW"},
    ForeignKind{is_between<"tf_model", ".h5">, "TensorFlow weights (FILE) and no safetensors",
                "Load it in a transformers that still reads them, which writes safetensors: pip install "
                "'transformers<5' tensorflow, then AutoModelForCausalLM.from_pretrained('DIR', "
                "from_tf=True).save_pretrained('NEW')"},
    ForeignKind{is_between<"flax_model", ".msgpack">, "Flax weights (FILE) and no safetensors",
                "Load it in a transformers that still reads them, which writes safetensors: pip install "
                "'transformers<5' flax, then AutoModelForCausalLM.from_pretrained('DIR', "
                "from_flax=True).save_pretrained('NEW')"},
    ForeignKind{is_between<"model_index", ".json">, "a pipeline of diffusers, which makes images",
                "Give the folder of a causal language model"},
    ForeignKind{is_between<"", ".onnx">, "an ONNX graph (FILE) and no safetensors",
                "Download the model again with its *.safetensors files"},
    ForeignKind{
        is_between<"", ".pth">, "PyTorch weights (FILE) and no safetensors",
        "Load them into the model's class in transformers and save_pretrained it: that writes safetensors"},
    ForeignKind{
        is_between<"", ".pt">, "PyTorch weights (FILE) and no safetensors",
        "Load them into the model's class in transformers and save_pretrained it: that writes safetensors"},
    ForeignKind{is_between<"", ".bin">, "weights (FILE) that are no safetensors",
                "Load it in transformers and save_pretrained it: that writes safetensors"},
};

/// Of a folder that has config.json.
constexpr std::array unnamed_weights = {
    ForeignKind{is_between<"model-", ".safetensors">, "shards (FILE, …) without model.safetensors.index.json",
                "Download the index that belongs to them: hf download ORG/NAME model.safetensors.index.json "
                "--local-dir DIR"},
    ForeignKind{is_between<"", ".safetensors">, "FILE, under a name that is no checkpoint's",
                "Name a whole model's only file model.safetensors; of a model in several files, fetch "
                "model.safetensors.index.json too"},
};

void replace_all(std::string& text, std::string_view word, const std::string& value) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + value.size())) {
    text.replace(at, word.size(), value);
  }
}

std::string filled(std::string_view words, const fs::path& folder, const std::string& file) {
  std::string text(words);
  replace_all(text, "FILE", file);
  replace_all(text, "DIR", folder.string());
  return text;
}

Error foreign(const fs::path& folder, std::string_view found, std::string_view remedy,
              const std::string& file = "") {
  return Error{.code = ErrorCode::missing_file,
               .where = folder.string(),
               .found = filled(found, folder, file),
               .expected = "a Hugging Face folder: config.json and *.safetensors",
               .remedy = filled(remedy, folder, file)};
}

/// Whether a path's last two parts may be ORG/NAME of the hub, where neither is a folder here.
bool may_be_hub_name(const FileSystem& files, const fs::path& path) {
  const auto is_word = [](const std::string& word) {
    return !word.empty() && word != "." && word != ".." &&
           std::all_of(word.begin(), word.end(), [](unsigned char letter) {
             return std::isalnum(letter) != 0 || letter == '-' || letter == '_' || letter == '.';
           });
  };
  const fs::path parent = path.parent_path();
  return is_word(path.filename()) && is_word(parent.filename()) && !files.exists(parent) &&
         files.exists(parent.has_parent_path() ? parent.parent_path() : fs::path("."));
}

Error absent(const FileSystem& files, const fs::path& folder) {
  if (!may_be_hub_name(files, folder)) {
    return foreign(
        folder, "no such folder",
        "Name the folder with --model or the recipe's model key; a model of the Hugging Face hub is "
        "downloaded first: hf download ORG/NAME --local-dir DIR");
  }
  const std::string name = (folder.parent_path().filename() / folder.filename()).string();
  return foreign(folder, "no such folder, perhaps the name of a model on the Hugging Face hub",
                 "Download it first: hf download FILE --local-dir DIR", name);
}

Error of_file(const fs::path& path) {
  if (path.extension() == ".gguf") {
    return foreign(path.has_parent_path() ? path.parent_path() : fs::path("."), gguf_kind.found,
                   gguf_kind.remedy, path.filename());
  }
  return foreign(path, "a file", "Give the folder that holds it, with its config.json");
}

/// The folder that the hub's client keeps for a model holds its files under snapshots/REVISION.
std::optional<Error> of_hub_cache(const FileSystem& files, const fs::path& folder) {
  const fs::path snapshots = folder / "snapshots";
  if (!files.is_directory(snapshots)) {
    return std::nullopt;
  }
  const Names revisions = files.list(snapshots);
  const std::string one = revisions.empty() ? "REVISION" : revisions.front();
  return foreign(folder, "the hub client's cache of a model",
                 "Give a snapshot in it: --model DIR/snapshots/FILE", one);
}

/// Throws for the first kind that a file of the folder is of.
void refuse_first(std::span<const ForeignKind> kinds, const fs::path& folder, const Names& names) {
  for (const ForeignKind& kind : kinds) {
    const auto file = std::find_if(names.begin(), names.end(), kind.has);
    if (file != names.end()) {
      throw foreign(folder, kind.found, kind.remedy, *file);
    }
  }
}

}  // namespace

void refuse_foreign_folder(const FileSystem& files, const fs::path& folder) {
  if (!files.exists(folder)) {
    throw absent(files, folder);
  }
  if (!files.is_directory(folder)) {
    throw of_file(folder);
  }
  if (const std::optional<Error> cache = of_hub_cache(files, folder)) {
    throw Error(*cache);
  }
  const Names names = files.list(folder);
  refuse_first(foreign_kinds, folder, names);
  if (!files.exists(folder / "config.json")) {
    throw foreign(folder, "a folder without config.json",
                  "Give the folder that holds config.json and the weights");
  }
  refuse_first(unnamed_weights, folder, names);
  throw foreign(folder, "neither model.safetensors nor model.safetensors.index.json",
                "Download the model again with its *.safetensors files");
}

void refuse_adapter(const FileSystem& files, const fs::path& folder) {
  if (files.exists(folder / "adapter_config.json")) {
    Error error =
        foreign(folder, "a model with a LoRA adapter (adapter_config.json) beside it", adapter_remedy);
    error.code = ErrorCode::unsupported;
    error.remedy += ". Where the weights have it in them already, move the adapter's files out of the folder";
    throw Error(error);
  }
}

std::string remedy_for_unknown_tensor(const std::string& name) {
  const auto has = [&name](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has("lora_A") || has("lora_B") || has("lora_embedding")) {
    return "Merge the adapter into its model first: merge_and_unload() of peft, then save_pretrained";
  }
  for (const std::string_view part : {".qweight", ".qzeros", ".scales", ".g_idx", ".absmax", ".quant_map",
                                      ".weight_packed", ".SCB", "_blocks", ".weight_scale"}) {
    if (has(part)) {
      return "Start from the model before quantisation: the model's card names it as base_model";
    }
  }
  return "";
}

}  // namespace cce
