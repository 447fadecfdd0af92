#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// A reader of something that comes from outside: a file of a checkpoint, a recipe, a line of a job folder,
/// what Slurm or a server says.
struct DocumentFormat {
  std::string name;  ///< also of its corpus: tests/fuzz/corpus/NAME
  /// Reads the bytes and uses what was read. Throws Error where they are refused; std::logic_error where a
  /// promise is broken: written again it reads as something else.
  std::function<void(std::string_view bytes)> read;
};

/// All of them. Made once: some hold a model that documents are applied to.
std::vector<DocumentFormat> document_formats();

/// Reads the bytes. True where they are accepted, false where they are refused as bad input should be: by an
/// Error that names its place and ends in exit code 2. Anything else is a std::logic_error that says what.
bool read_document(const DocumentFormat& format, std::string_view bytes);

}  // namespace cce
