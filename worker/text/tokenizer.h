#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

class FileSystem;

/// Byte-level BPE as in tokenizer.json of Hugging Face tokenizers (GPT-2, Llama 3, Qwen2, SmolLM2 and their
/// kin): the same ids, token for token, for code points that both sides' Unicode versions know.
///   1. cut at added tokens   2. normalize   3. cut into words   4. byte-pair encode each word
/// Immutable after loading: threads may share it.
class Tokenizer {
 public:
  /// Reads `path`, a tokenizer.json or a model folder that holds one.
  /// Errors: missing_file; malformed_file and wrong_type with the key's path; unsupported naming key and
  /// value for everything that is not byte-level BPE (SentencePiece models, for instance: use token files).
  static Tokenizer load(const FileSystem& files, const std::string& path);

  /// The same from the file's content; `where` names it in errors.
  static Tokenizer parse(std::string_view json_text, const std::string& where);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids of a text. Added and special tokens in it are recognised; none is put around it (no BOS, no
  /// template). `where` names the text in errors: malformed_file with the byte offset where it stops being
  /// UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, const std::string& where = "text") const;

  /// Text of ids, special tokens included; byte sequences that are no UTF-8 become U+FFFD.
  /// Errors: out_of_range for an id without a token.
  std::string decode(std::span<const std::int32_t> ids) const;

  /// One more than the largest id.
  std::int64_t vocabulary_size() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace cce
