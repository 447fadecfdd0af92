#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

class FileSystem;
class TextCodec;

/// Turns a text that comes in parts into ids. For one thread; its tokenizer must outlive it.
class TokenStream {
 public:
  virtual ~TokenStream() = default;
  /// Appends the ids that the text up to here makes certain; all of them where it `ends`, after which another
  /// text may follow. A part is valid UTF-8, cut between code points.
  virtual void push(std::string_view part, bool ends, std::vector<std::int32_t>& ids) = 0;
};

/// Byte-pair encoding as in tokenizer.json of Hugging Face tokenizers, of bytes (GPT-2, Llama 3, Qwen2,
/// SmolLM2 and their kin) or of characters with bytes for what is left (Llama 2, Mistral, Gemma, Phi-3): the
/// same ids, token for token, for code points that both sides' Unicode versions know.
///   1. cut at added tokens   2. normalize, cut at normalized added tokens   3. cut into words
///   4. byte-pair encode each word
/// Or a SentencePiece model (tokenizer.model), through its library.
/// Immutable after loading: threads may share it.
class Tokenizer {
 public:
  /// Reads `path`, a tokenizer.json or tokenizer.model, or a model folder: its tokenizer.json, else its
  /// tokenizer.model.
  /// Errors: missing_file; malformed_file and wrong_type with the key's path; unsupported naming key and
  /// value for everything that is not byte-pair encoding.
  static Tokenizer load(const FileSystem& files, const std::string& path);

  /// The same from the file's content; `where` names it in errors.
  static Tokenizer parse(std::string_view json_text, const std::string& where);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids of a text. Added and special tokens in it are recognised; none is put around it. `where` names the
  /// text in errors: malformed_file with the byte offset where it stops being UTF-8.
  std::vector<std::int32_t> encode(std::string_view text, const std::string& where = "text") const;

  /// The same of a text that comes in parts: cut anywhere, the ids are those of the whole. Memory does not
  /// grow with the text, except for one word that does (and for a SentencePiece model with tokens across words).
  std::unique_ptr<TokenStream> stream() const;

  /// Text of ids, special tokens included; byte sequences that are no UTF-8 become U+FFFD, an id without a
  /// token becomes nothing (vocabularies are padded). Errors: out_of_range for a negative id.
  std::string decode(std::span<const std::int32_t> ids) const;

  /// The ids that the post-processor puts before a text (BOS); empty where it puts none.
  const std::vector<std::int32_t>& begin_ids() const;

  /// One more than the largest id.
  std::int64_t vocabulary_size() const;

 private:
  explicit Tokenizer(std::unique_ptr<const TextCodec> codec);
  std::unique_ptr<const TextCodec> codec_;
};

}  // namespace cce
