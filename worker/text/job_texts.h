#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"
#include "common/text/text_reader.h"
#include "worker/text/text_windows.h"

namespace cce {

/// The texts of a job as token ids. A text is tokenised once, in a stream, into a token file in `folder`, from
/// which all its uses take their windows; a later attempt of the job finds it there. Rank 0 uses it; making one
/// costs nothing. For one thread.
class JobTexts {
 public:
  /// `vocabulary_size` is the model's. `say` gets sentences for the job's log and report. All outlive it.
  JobTexts(FileSystem& files, const JobSpec& spec, std::int64_t vocabulary_size, std::filesystem::path folder,
           std::function<void(const std::string&)> say);

  /// Tokenises every text that the job's stages use and looks at the windows of each, so that nothing of them
  /// ends a run that has computed. Errors: those of `windows` and `calibration_windows`.
  void prepare();

  /// The windows of calibration.text, text by text. Errors: those of `windows`; text_too_short where all together
  /// have fewer than calibration.sequences.
  std::vector<TextWindows> calibration_windows();

  /// Errors: those of check_text_source, Tokenizer::load, TextWindows; unsupported where only
  /// scripts/tokenize.py could tokenise it, and cannot here.
  TextWindows windows(const TextSource& source);

  /// The token files have served.
  void remove();

 private:
  using Key = std::pair<std::string, std::string>;  ///< path and text_key
  std::string make_token_file(const TextSource& source);
  std::string cache_name(const TextSource& source) const;
  TextFacts tokenise(const TextSource& source, const std::filesystem::path& path) const;
  std::optional<std::int64_t> most_tokens(const TextSource& source) const;
  const std::vector<std::int32_t>& begin_ids();
  std::vector<TextSource> used_texts() const;

  FileSystem& files_;
  const JobSpec& spec_;
  std::int64_t vocabulary_size_;
  std::filesystem::path folder_;
  std::function<void(const std::string&)> say_;
  std::map<Key, std::string> token_files_;
  std::optional<std::vector<std::int32_t>> begin_ids_;
};

}  // namespace cce
