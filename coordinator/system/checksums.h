#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "common/base/file.h"

namespace cce {

/// The name of the list of a folder's digests, which `sha256sum -c SHA256SUMS` reads, too.
inline constexpr const char* checksums_name = "SHA256SUMS";

/// Writes FOLDER/SHA256SUMS: "HEX  PATH" for every file below the folder but itself, sorted by path.
/// Errors: those of FileSystem.
void write_checksums(FileSystem& files, const std::filesystem::path& folder);

/// Path → 64 hexadecimal digits. Errors: malformed_file, with `where` and the line.
std::map<std::string, std::string> parse_checksums(const std::string& text, const std::string& where);

}  // namespace cce
