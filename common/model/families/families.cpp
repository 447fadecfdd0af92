#include <algorithm>
#include <array>

#include "common/model/families/family.h"

namespace cce {

// Each is defined in the file of its name.
const Family& llama();
const Family& mistral();
const Family& qwen2();
const Family& qwen3();
const Family& smollm3();
const Family& gemma3_text();
const Family& olmo2();
const Family& olmo3();
const Family& granite();

std::span<const Family* const> families() {
  static const std::array rows = {
      &llama(), &mistral(), &qwen2(), &qwen3(), &smollm3(), &gemma3_text(), &olmo2(), &olmo3(), &granite(),
  };
  return rows;
}

const Family& default_family() {
  return *families().front();
}

const Family* find_family(std::string_view model_type) {
  const auto rows = families();
  const auto found = std::find_if(rows.begin(), rows.end(), [model_type](const Family* family) {
    return family->model_type == model_type;
  });
  return found == rows.end() ? nullptr : *found;
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family* family : families()) {
    names.emplace_back(family->model_type);
  }
  return names;
}

}  // namespace cce
