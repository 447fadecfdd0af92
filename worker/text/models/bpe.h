#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace cce {

/// What the tokens of a BPE model are written in.
enum class BpeAlphabet {
  bytes,      ///< GPT-2's: a printable character for each byte
  characters  ///< the text itself
};

/// What a BPE model is made of, read from tokenizer.json.
struct BpeDefinition {
  BpeAlphabet alphabet = BpeAlphabet::bytes;
  std::unordered_map<std::string, std::int32_t> vocabulary;  ///< token as written → id
  std::vector<std::pair<std::string, std::string>> merges;   ///< best first
  std::optional<std::string> unknown_token;
  bool fuse_unknown = false;   ///< a run of unknown symbols gives one unknown token
  bool byte_fallback = false;  ///< an unknown character becomes its bytes, <0x00> to <0xFF>
  bool ignore_merges = false;  ///< a word that is a token becomes that token at once
};

/// Byte-pair encoding of single words (Sennrich et al. 2016), with the tie rules of Hugging Face tokenizers.
///   1. one symbol for each byte or character   2. while neighbours have a merge: apply the one of lowest
///      rank, leftmost first
/// A byte or character without a token becomes the unknown token, or nothing where there is none. Immutable:
/// threads may share it.
class BpeModel {
 public:
  /// Errors: malformed_file when a merge's part or result, or the unknown token, is not in the vocabulary.
  BpeModel(const BpeDefinition& definition, const std::string& where);

  /// Appends the ids of one word (raw bytes; of characters: valid UTF-8). Time O(n log n) in its bytes.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  /// Whether a word may be longer than fits into memory, cut by `seam`: a model of characters whose
  /// pre-tokenizer cuts at nothing makes one word of a text.
  bool has_seams() const { return alphabet_ == BpeAlphabet::characters && whole_words_.empty(); }

  /// The first place in (begin, word.size()) where the word can be cut, since no merge crosses it: both sides
  /// encoded apart give what the whole gives. word.size() where there is none. For words of characters.
  std::size_t seam(std::string_view word, std::size_t begin) const;

 private:
  struct Merge {
    std::int32_t rank, merged_id;
  };
  struct Symbol {
    std::int32_t id;
    std::int32_t previous, next;  ///< positions; -1 at the ends
    bool alive;
  };
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const { return (pair ^ (pair >> 29U)) * 0x9E3779B97F4A7C15U; }
  };
  struct ViewHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  void read_bytes(const BpeDefinition& definition);
  void read_characters(const BpeDefinition& definition);
  std::vector<Symbol> symbols_of(std::string_view word) const;
  std::vector<std::int32_t> byte_symbols(std::string_view word) const;
  std::vector<std::int32_t> character_symbols(std::string_view word) const;
  bool fall_back_to_bytes(std::string_view character, std::vector<std::int32_t>& ids) const;
  void merge_all(std::vector<Symbol>& symbols) const;
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  std::optional<std::int32_t> character_id(char32_t character) const;

  BpeAlphabet alphabet_;
  std::array<std::int32_t, 256> byte_ids_{};   ///< of bytes, or <0x00> to <0xFF>; -1: no token
  std::array<std::int32_t, 128> ascii_ids_{};  ///< of characters; -1: no token
  std::unordered_map<char32_t, std::int32_t> character_ids_;
  std::unordered_set<std::uint64_t, PairHash> joined_;  ///< characters that some merge brings together
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
  std::unordered_map<std::string, std::int32_t, ViewHash, std::equal_to<>>
      whole_words_;  ///< only with ignore_merges
  std::optional<std::int32_t> unknown_id_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
};

/// Encodes words, remembering those already met: most words of a text are repeats. For one thread; the model
/// must outlive it.
class WordEncoder {
 public:
  explicit WordEncoder(const BpeModel& model) : model_(model) {}

  /// Appends the ids of a word that may come in parts; it `ends` with the last one.
  void push(std::string_view part, bool ends, std::vector<std::int32_t>& ids);

 private:
  void append(std::string_view word, std::vector<std::int32_t>& ids);
  std::string_view append_up_to_seams(std::string_view word, std::vector<std::int32_t>& ids);

  struct ViewHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  const BpeModel& model_;
  std::string held_;  ///< the part of a word that later parts may join
  std::vector<std::int32_t> kept_ids_;
  std::unordered_map<std::string, std::pair<std::ptrdiff_t, std::ptrdiff_t>, ViewHash, std::equal_to<>>
      ranges_;  ///< of a word's ids in kept_ids_
};

}  // namespace cce
