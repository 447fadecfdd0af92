#pragma once
#include <filesystem>
#include <string>

namespace cce {

/// The last lines of a log that hold something, each after a line break and two spaces: at most 15 of the
/// last 4000 bytes. "" where there is no file.
std::string log_tail(const std::filesystem::path& file);

}  // namespace cce
