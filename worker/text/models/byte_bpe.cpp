#include "worker/text/models/byte_bpe.h"

#include <functional>
#include <queue>
#include <tuple>

#include "common/base/error.h"
#include "worker/text/unicode.h"

namespace cce {
namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) |
         static_cast<std::uint32_t>(right);
}

// The smallest rank first, then the leftmost.
struct Candidate {
  std::int32_t rank, position, merged_id;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

std::int32_t token_id(const BpeDefinition& definition, const std::string& token, const std::string& where) {
  const auto found = definition.vocabulary.find(token);
  if (found != definition.vocabulary.end()) return found->second;
  throw Error{.code = ErrorCode::malformed_file,
              .where = where,
              .found = "token \"" + token + "\", which model.vocab lacks",
              .expected = "tokens of model.vocab",
              .remedy = "Repair the tokenizer.json or download it again"};
}

}  // namespace

BpeModel::BpeModel(const BpeDefinition& definition, const std::string& where)
    : fuse_unknown_(definition.fuse_unknown) {
  const ByteAlphabet alphabet;
  byte_ids_.fill(-1);
  for (const auto& [token, id] : definition.vocabulary) {
    std::optional<std::string> bytes = alphabet.bytes_of(token);
    if (!bytes || bytes->empty()) continue;
    if (bytes->size() == 1) byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
    if (definition.ignore_merges) whole_words_.emplace(std::move(*bytes), id);
  }
  merges_.reserve(definition.merges.size());
  for (std::size_t rank = 0; rank < definition.merges.size(); ++rank) {
    const auto& [left, right] = definition.merges[rank];
    const std::string place = where + ", model.merges[" + std::to_string(rank) + "]";
    merges_[pair_key(token_id(definition, left, place), token_id(definition, right, place))] = {
        static_cast<std::int32_t>(rank), token_id(definition, left + right, place)};
  }
  if (definition.unknown_token)
    unknown_id_ = token_id(definition, *definition.unknown_token, where + ", model.unk_token");
}

const BpeModel::Merge* BpeModel::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<BpeModel::Symbol> BpeModel::symbols_of(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  bool previous_unknown = false;
  for (const char character : word) {
    const std::int32_t known = byte_ids_[static_cast<unsigned char>(character)];
    const bool unknown = known < 0;
    const bool fused = unknown && previous_unknown && fuse_unknown_;
    previous_unknown = unknown;
    if (fused || (unknown && !unknown_id_)) continue;
    const auto position = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({unknown ? *unknown_id_ : known, position - 1, position + 1, true});
  }
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

void BpeModel::merge_all(std::vector<Symbol>& symbols) const {
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto at = [&](std::int32_t position) -> Symbol& {
    return symbols[static_cast<std::size_t>(position)];
  };
  const auto consider = [&](std::int32_t position) {
    if (position < 0 || at(position).next < 0) return;
    const Merge* merge = find_merge(at(position).id, at(at(position).next).id);
    if (merge != nullptr) queue.push({merge->rank, position, merge->merged_id});
  };
  for (std::size_t position = 0; position + 1 < symbols.size(); ++position) {
    consider(static_cast<std::int32_t>(position));
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.position);
    if (!left.alive || left.next < 0) continue;
    Symbol& right = at(left.next);
    // An older candidate still counts when today's neighbours merge into the same token.
    const Merge* merge = find_merge(left.id, right.id);
    if (merge == nullptr || merge->merged_id != best.merged_id) continue;
    left.id = best.merged_id;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) at(left.next).previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
}

void BpeModel::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (const auto whole = whole_words_.find(word); whole != whole_words_.end()) {
    ids.push_back(whole->second);
    return;
  }
  std::vector<Symbol> symbols = symbols_of(word);  // 1.
  merge_all(symbols);                              // 2.
  for (const Symbol& symbol : symbols) {
    if (symbol.alive) ids.push_back(symbol.id);
  }
}

}  // namespace cce
