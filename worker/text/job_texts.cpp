#include "worker/text/job_texts.h"

#include <algorithm>
#include <memory>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/text/text_format.h"
#include "worker/text/begin_tokens.h"
#include "worker/text/script_tokens.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

/// The tokenizer, or nothing where it is of a kind that only scripts/tokenize.py reads.
std::optional<Tokenizer> load_known_tokenizer(const FileSystem& files, const std::string& model) {
  try {
    return Tokenizer::load(files, model);
  } catch (const Error& error) {
    if (error.code == ErrorCode::unsupported || error.code == ErrorCode::missing_file) return std::nullopt;
    throw;
  }
}

/// Appends ids to a token file as they come, up to a number of them.
class TokenWriter {
 public:
  TokenWriter(FileSystem& files, const std::filesystem::path& path, std::int64_t vocabulary_size,
              std::optional<std::int64_t> most)
      : writer_(files.open_writer(path, WriteMode::create_or_replace)),
        vocabulary_size_(vocabulary_size),
        most_(most) {}

  /// Takes the ids; false: there are enough. Errors: out_of_range for one that the model lacks.
  bool take(std::vector<std::int32_t>& ids) {
    for (const std::int32_t id : ids) check(id);
    writer_->append(token_file_bytes(ids, token_bytes_for(vocabulary_size_)));
    written_ += static_cast<std::int64_t>(ids.size());
    ids.clear();
    return !most_ || written_ < *most_;
  }

  void close() {
    writer_->sync();
    writer_->close();
  }

 private:
  void check(std::int32_t id) const {
    if (id < vocabulary_size_) return;
    throw Error{.code = ErrorCode::out_of_range,
                .where = "the tokenizer's ids",
                .found = std::to_string(id),
                .expected = "an id below the model's vocabulary of " + std::to_string(vocabulary_size_),
                .remedy = "Use the tokenizer that belongs to the model"};
  }

  std::unique_ptr<FileWriter> writer_;
  std::int64_t vocabulary_size_;
  std::optional<std::int64_t> most_;
  std::int64_t written_ = 0;
};

}  // namespace

JobTexts::JobTexts(FileSystem& files, const JobSpec& spec, std::int64_t vocabulary_size,
                   std::filesystem::path folder, std::function<void(const std::string&)> say)
    : files_(files),
      spec_(spec),
      vocabulary_size_(vocabulary_size),
      folder_(std::move(folder)),
      say_(std::move(say)) {}

std::vector<TextSource> JobTexts::used_texts() const {
  std::vector<TextSource> texts;
  const auto add = [&](Stage stage, const std::vector<TextSource>& more) {
    if (runs(spec_, stage)) texts.insert(texts.end(), more.begin(), more.end());
  };
  add(Stage::calibrate, spec_.calibration.text);
  add(Stage::finetune, spec_.finetune.text);
  add(Stage::finetune, spec_.finetune.validation);
  add(Stage::evaluate, spec_.evaluate.text);
  return texts;
}

void JobTexts::prepare() {
  const std::vector<TextSource> texts = used_texts();
  for (const TextSource& source : texts) windows(source);
  if (runs(spec_, Stage::calibrate)) calibration_windows();
  if (texts.empty() || begin_ids().empty()) return;
  std::string ids;
  for (const std::int32_t id : begin_ids()) ids += (ids.empty() ? "" : ", ") + std::to_string(id);
  say_("every window begins with token " + ids +
       (spec_.calibration.bos == BeginTokens::always ? " (calibration.bos: always)"
                                                     : ", as the model's tokenizer begins a text") +
       "; it counts as one of calibration.length");
}

std::vector<TextWindows> JobTexts::calibration_windows() {
  const CalibrationSettings& settings = spec_.calibration;
  std::vector<TextWindows> texts;
  std::int64_t available = 0;
  for (const TextSource& source : settings.text) {
    texts.push_back(windows(source));
    available += texts.back().count();
  }
  if (available >= settings.sequences) return texts;
  throw Error{
      .code = ErrorCode::text_too_short,
      .where = "calibration.text",
      .found = std::to_string(available) + " windows of " + std::to_string(settings.length) + " tokens",
      .expected = std::to_string(settings.sequences) + " (calibration.sequences)",
      .remedy = "Give more text, or set calibration.sequences to " + std::to_string(available) +
                ", or lower calibration.length"};
}

TextWindows JobTexts::windows(const TextSource& source) {
  const Key key{source.path, source.text_key};
  auto found = token_files_.find(key);
  if (found == token_files_.end()) found = token_files_.emplace(key, make_token_file(source)).first;
  return {
      TokenFile::open(files_, found->second),
      source,
      {.length = spec_.calibration.length, .begin_ids = begin_ids(), .vocabulary_size = vocabulary_size_}};
}

void JobTexts::remove() {
  files_.remove_all(folder_);
  token_files_.clear();
}

const std::vector<std::int32_t>& JobTexts::begin_ids() {
  if (!begin_ids_) begin_ids_ = begin_ids_of(files_, spec_.model, spec_.calibration.bos);
  return *begin_ids_;
}

// What the ids are made from: the text's files, the tokenizer's, and how many are wanted. A file counts by its
// size and the time of its last change.
std::string JobTexts::cache_name(const TextSource& source) const {
  Digest digest;
  const auto add_file = [&](const std::filesystem::path& path) {
    digest.add_field(path.string());
    digest.add_field(std::to_string(files_.file_bytes(path)));
    digest.add_field(std::to_string(std::filesystem::last_write_time(path).time_since_epoch().count()));
  };
  for (const std::string& path : text_files_of(files_, source.path)) add_file(path);
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja"}) {
    const std::filesystem::path path = std::filesystem::path(spec_.model) / name;
    if (files_.exists(path)) add_file(path);
  }
  digest.add_field(source.text_key);
  digest.add_field(std::to_string(most_tokens(source).value_or(-1)));
  constexpr std::size_t letters = 16;
  return digest.finish_hex().substr(0, letters) + (token_bytes_for(vocabulary_size_) == 2 ? ".u16" : ".u32");
}

// Where every use of a text counts its windows from the start, tokens behind the last of them are not needed.
std::optional<std::int64_t> JobTexts::most_tokens(const TextSource& source) const {
  std::int64_t most = 0;
  for (const TextSource& use : used_texts()) {
    if (use.path != source.path || use.text_key != source.text_key) continue;
    if (use.first < 0 || !use.last || *use.last < 0) return std::nullopt;
    most = std::max(most, *use.last * spec_.calibration.length);
  }
  return most > 0 ? std::optional(most) : std::nullopt;
}

std::string JobTexts::make_token_file(const TextSource& source) {
  const TextNeeds needs = check_text_source(files_, source);
  if (!needs.tokenizer) return source.path;
  const std::filesystem::path path = folder_ / cache_name(source);
  if (files_.exists(path)) return path.string();
  files_.make_directory(folder_);
  const std::filesystem::path unfinished = folder_ / ("unfinished" + path.extension().string());
  TextFacts facts;
  try {
    facts = tokenise(source, unfinished);
  } catch (...) {
    files_.remove_all(unfinished);
    throw;
  }
  files_.rename(unfinished, path);
  if (facts.skipped > 0) {
    say_(source.path + ": " + std::to_string(facts.skipped) + " of " + std::to_string(facts.records) +
         " records have no text and are left out");
  }
  return path.string();
}

TextFacts JobTexts::tokenise(const TextSource& source, const std::filesystem::path& path) const {
  const bool wants_script = check_text_source(files_, source).script;
  const std::optional<Tokenizer> tokenizer =
      wants_script ? std::nullopt : load_known_tokenizer(files_, spec_.model);
  if (!tokenizer) return run_tokenize_script(files_, spec_.model, source, folder_, path);
  TokenWriter writer(files_, path, vocabulary_size_, most_tokens(source));
  const std::unique_ptr<TokenStream> stream = tokenizer->stream();
  std::vector<std::int32_t> ids;
  bool complete = true;
  const TextFacts facts = read_text(files_, source, [&](std::string_view part) {
    stream->push(part, false, ids);
    return complete = writer.take(ids);
  });
  if (complete) stream->push("", true, ids);
  writer.take(ids);
  writer.close();
  return facts;
}

}  // namespace cce
