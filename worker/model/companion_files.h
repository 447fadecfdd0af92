#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// What a model's folder holds for its users beside weights and config.json, as paths inside it, sorted: files of
/// tokenizers, chats, generation and processors of every kind, and the terms under which it may be used. Not what
/// goes with the old weights (their index, quantisation, other formats, training) nor folders of copies
/// (original/, onnx/). Links count as the files that they lead to.
std::vector<std::string> companion_files(const FileSystem& files, const std::filesystem::path& folder);

/// Those of them that are terms: licences, notices, use policies.
std::vector<std::string> terms_files(const FileSystem& files, const std::filesystem::path& folder);

/// Copies files named by their paths inside `from`, byte for byte, into a folder that is there. Errors: disk_full,
/// io_failure.
void copy_files(FileSystem& files, const std::vector<std::string>& names, const std::filesystem::path& from,
                const std::filesystem::path& to);

/// The licence of a model as its README.md says it in the front matter of a model card; empty where it is silent.
/// https://huggingface.co/docs/hub/model-cards
struct ModelLicense {
  std::string license, name, link;
};
ModelLicense read_model_license(const FileSystem& files, const std::filesystem::path& folder);

}  // namespace cce
