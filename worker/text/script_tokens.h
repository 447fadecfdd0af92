#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"
#include "common/text/text_reader.h"

namespace cce {

/// The program scripts/tokenize.py, which is part of this one.
extern const char* const tokenize_script;

/// The line that a person types to make the token file that run_tokenize_script would make.
std::string tokenize_command(const std::string& model, const TextSource& source);

/// Lets python3 tokenise a text that this program does not: a tokenizer of another kind, a chat, a table.
///   1. write the script into `folder`   2. run it; it writes `output`, a token file   3. remove the script
/// Takes as much memory as Python holds the whole text in. Errors: unsupported, with what it printed last and
/// the command to type, where Python or a package that it needs is not there or the text cannot be read;
/// deadline_exceeded after six hours; io_failure.
TextFacts run_tokenize_script(FileSystem& files, const std::string& model, const TextSource& source,
                              const std::filesystem::path& folder, const std::filesystem::path& output);

}  // namespace cce
