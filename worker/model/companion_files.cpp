#include "worker/model/companion_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <sstream>
#include <string_view>

namespace cce {
namespace {

namespace fs = std::filesystem;

/// A name that begins, ends or is: compared in lower case. Empty parts say nothing.
struct Pattern {
  std::string_view start, middle, end;
};

constexpr std::array companions = {
    // Text to tokens and back.
    Pattern{"tokenizer", "", ""},
    Pattern{"tokenization_", "", ".py"},
    Pattern{"vocab", "", ".json"},
    Pattern{"vocab", "", ".txt"},
    Pattern{"merges", "", ".txt"},
    Pattern{"special_tokens_map.json", "", ""},
    Pattern{"added_tokens.json", "", ""},
    Pattern{"normalizer.json", "", ""},
    Pattern{"tekken", "", ".json"},
    Pattern{"", "", ".tiktoken"},
    Pattern{"", "", ".model"},
    Pattern{"", "", ".spm"},
    // Chats, generation, and what comes in beside text.
    Pattern{"", "", ".jinja"},
    Pattern{"chat_template", "", ".json"},
    Pattern{"generation_config", "", ".json"},
    Pattern{"", "processor_config", ".json"},
};
constexpr std::array terms = {
    Pattern{"", "license", ""},      Pattern{"", "licence", ""},        Pattern{"", "copying", ""},
    Pattern{"", "copyright", ""},    Pattern{"", "notice", ""},         Pattern{"", "use_policy", ""},
    Pattern{"", "use-policy", ""},   Pattern{"", "prohibited_use", ""}, Pattern{"", "terms_of_use", ""},
    Pattern{"", "terms-of-use", ""},
};

/// A folder of the chat templates beside the first (transformers' name for it).
constexpr const char* template_folder = "additional_chat_templates";

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

bool is_one_of(std::span<const Pattern> patterns, const std::string& name) {
  const std::string lower = lower_case(name);
  return !lower.starts_with(".") &&
         std::any_of(patterns.begin(), patterns.end(), [&lower](const Pattern& pattern) {
           return lower.starts_with(pattern.start) && lower.find(pattern.middle) != std::string::npos &&
                  lower.ends_with(pattern.end);
         });
}

void add_files(const FileSystem& files, const fs::path& folder, const fs::path& inner,
               std::span<const Pattern> patterns, std::vector<std::string>& found) {
  for (const std::string& name : files.list(folder / inner)) {
    const fs::path place = folder / inner / name;
    if (is_one_of(patterns, name) && files.exists(place) && !files.is_directory(place)) {
      found.push_back((inner / name).string());
    }
  }
}

/// A scalar of YAML on one line, without its quotes.
std::string unquoted(std::string value) {
  const auto is_space = [](unsigned char letter) { return std::isspace(letter) != 0; };
  value.erase(value.begin(), std::find_if_not(value.begin(), value.end(), is_space));
  while (!value.empty() && is_space(static_cast<unsigned char>(value.back()))) {
    value.pop_back();
  }
  const bool quoted =
      value.size() >= 2 && value.front() == value.back() && (value[0] == '"' || value[0] == '\'');
  return quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

std::vector<std::string> companion_files(const FileSystem& files, const fs::path& folder) {
  std::vector<std::string> found = terms_files(files, folder);
  add_files(files, folder, "", companions, found);
  if (files.is_directory(folder / template_folder)) {
    add_files(files, folder, template_folder, companions, found);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());  // a name may say both
  return found;
}

std::vector<std::string> terms_files(const FileSystem& files, const fs::path& folder) {
  std::vector<std::string> found;
  add_files(files, folder, "", terms, found);
  std::sort(found.begin(), found.end());
  return found;
}

void copy_files(FileSystem& files, const std::vector<std::string>& names, const fs::path& from,
                const fs::path& to) {
  for (const std::string& name : names) {
    files.make_directory((to / name).parent_path());
    const MappedFile source = files.map_readonly(from / name);
    const std::unique_ptr<FileWriter> writer = files.open_writer(to / name, WriteMode::create_or_replace);
    writer->append(source.bytes());
    writer->sync();
    writer->close();
  }
}

ModelLicense read_model_license(const FileSystem& files, const fs::path& folder) {
  ModelLicense license;
  if (!files.exists(folder / "README.md")) {
    return license;
  }
  std::istringstream lines(files.read_text(folder / "README.md"));
  std::string line;
  if (!std::getline(lines, line) || unquoted(line) != "---") {
    return license;
  }
  std::string* open = nullptr;  // a key whose value follows as a list
  while (std::getline(lines, line) && unquoted(line) != "---") {
    if (open != nullptr && unquoted(line).starts_with("- ")) {
      *open += (open->empty() ? "" : ", ") + unquoted(unquoted(line).substr(2));
      continue;
    }
    open = nullptr;
    for (const auto& [key, value] : {std::pair<std::string_view, std::string*>{"license:", &license.license},
                                     {"license_name:", &license.name},
                                     {"license_link:", &license.link}}) {
      if (line.starts_with(key)) {
        *value = unquoted(line.substr(key.size()));
        open = value->empty() ? value : nullptr;
      }
    }
  }
  return license;
}

}  // namespace cce
