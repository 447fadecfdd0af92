#pragma once
#include <filesystem>
#include <string>

namespace cce {

/// The folder of one of the small checkpoints of tests/data/models.
inline std::filesystem::path test_model(const std::string& name) {
  return std::filesystem::path(CCE_TESTS_DIR) / "data/models" / name;
}

}  // namespace cce
