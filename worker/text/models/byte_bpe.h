#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cce {

/// What a byte-level BPE model is made of, read from tokenizer.json.
struct BpeDefinition {
  std::unordered_map<std::string, std::int32_t> vocabulary;  ///< token as written (GPT-2's alphabet) → id
  std::vector<std::pair<std::string, std::string>> merges;   ///< best first
  std::optional<std::string> unknown_token;
  bool fuse_unknown = false;   ///< a run of unknown bytes gives one unknown token
  bool ignore_merges = false;  ///< a word that is a token becomes that token at once
};

/// Byte-pair encoding of single words (Sennrich et al. 2016), with the tie rules of Hugging Face tokenizers.
///   1. one symbol for each byte   2. while neighbours have a merge: apply the one of lowest rank, leftmost
///      first
/// A byte without a token becomes the unknown token, or nothing where there is none. Immutable: threads may
/// share it.
class BpeModel {
 public:
  /// Errors: malformed_file when a merge's part or result, or the unknown token, is not in the vocabulary.
  BpeModel(const BpeDefinition& definition, const std::string& where);

  /// Appends the ids of one word (raw bytes). Time O(n log n) in its bytes.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

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

  std::vector<Symbol> symbols_of(std::string_view word) const;
  void merge_all(std::vector<Symbol>& symbols) const;
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;

  std::array<std::int32_t, 256> byte_ids_{};  ///< -1: no token
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
  std::unordered_map<std::string, std::int32_t, ViewHash, std::equal_to<>>
      whole_words_;  ///< only with ignore_merges
  std::optional<std::int32_t> unknown_id_;
  bool fuse_unknown_ = false;
};

}  // namespace cce
