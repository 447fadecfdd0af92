#include "worker/text/models/bpe.h"

#include <algorithm>
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

std::int32_t as_key(char32_t character) {
  return static_cast<std::int32_t>(character);
}

char32_t last_character(std::string_view text) {
  std::size_t position = text.size() - 1;
  while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80U) --position;
  return read_utf8(text, position).code_point;
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
    : alphabet_(definition.alphabet),
      fuse_unknown_(definition.fuse_unknown),
      byte_fallback_(definition.byte_fallback) {
  byte_ids_.fill(-1);
  ascii_ids_.fill(-1);
  if (alphabet_ == BpeAlphabet::bytes) {
    read_bytes(definition);
  } else {
    read_characters(definition);
  }
  merges_.reserve(definition.merges.size());
  for (std::size_t rank = 0; rank < definition.merges.size(); ++rank) {
    const auto& [left, right] = definition.merges[rank];
    const std::string place = where + ", model.merges[" + std::to_string(rank) + "]";
    merges_[pair_key(token_id(definition, left, place), token_id(definition, right, place))] = {
        static_cast<std::int32_t>(rank), token_id(definition, left + right, place)};
    if (alphabet_ == BpeAlphabet::characters && !left.empty() && !right.empty()) {
      joined_.insert(pair_key(as_key(last_character(left)), as_key(read_utf8(right, 0).code_point)));
    }
  }
  if (definition.unknown_token)
    unknown_id_ = token_id(definition, *definition.unknown_token, where + ", model.unk_token");
}

void BpeModel::read_bytes(const BpeDefinition& definition) {
  const ByteAlphabet alphabet;
  for (const auto& [token, id] : definition.vocabulary) {
    std::optional<std::string> bytes = alphabet.bytes_of(token);
    if (!bytes || bytes->empty()) continue;
    if (bytes->size() == 1) byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
    if (definition.ignore_merges) whole_words_.emplace(std::move(*bytes), id);
  }
}

void BpeModel::read_characters(const BpeDefinition& definition) {
  for (const auto& [token, id] : definition.vocabulary) {
    if (definition.ignore_merges) whole_words_.emplace(token, id);
    if (token.empty()) continue;
    const Utf8Step first = read_utf8(token, 0);
    if (first.bytes != token.size() || !first.valid) continue;
    if (first.code_point < ascii_ids_.size()) {
      ascii_ids_[first.code_point] = id;
    } else {
      character_ids_[first.code_point] = id;
    }
  }
  if (!byte_fallback_) return;
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const auto found = definition.vocabulary.find(byte_token(static_cast<unsigned char>(byte)));
    if (found != definition.vocabulary.end()) byte_ids_[byte] = found->second;
  }
}

const BpeModel::Merge* BpeModel::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::optional<std::int32_t> BpeModel::character_id(char32_t character) const {
  if (character < ascii_ids_.size()) {
    const std::int32_t id = ascii_ids_[character];
    return id < 0 ? std::nullopt : std::optional(id);
  }
  const auto found = character_ids_.find(character);
  return found == character_ids_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::int32_t> BpeModel::byte_symbols(std::string_view word) const {
  std::vector<std::int32_t> ids;
  ids.reserve(word.size());
  bool previous_unknown = false;
  for (const char character : word) {
    const std::int32_t known = byte_ids_[static_cast<unsigned char>(character)];
    const bool unknown = known < 0;
    const bool fused = unknown && previous_unknown && fuse_unknown_;
    previous_unknown = unknown;
    if (fused || (unknown && !unknown_id_)) continue;
    ids.push_back(unknown ? *unknown_id_ : known);
  }
  return ids;
}

bool BpeModel::fall_back_to_bytes(std::string_view character, std::vector<std::int32_t>& ids) const {
  const auto id_of = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (std::any_of(character.begin(), character.end(), [&](char byte) { return id_of(byte) < 0; }))
    return false;
  for (const char byte : character) ids.push_back(id_of(byte));
  return true;
}

// An unknown symbol waits for the next known character, past characters that fall back to bytes: so it is in
// Hugging Face tokenizers.
std::vector<std::int32_t> BpeModel::character_symbols(std::string_view word) const {
  std::vector<std::int32_t> ids;
  ids.reserve(word.size());
  bool unknown_waits = false;
  for (std::size_t position = 0; position < word.size();) {
    const Utf8Step step = read_utf8(word, position);
    const std::string_view character = word.substr(position, step.bytes);
    position += step.bytes;
    if (const std::optional<std::int32_t> known = character_id(step.code_point)) {
      if (unknown_waits) ids.push_back(*unknown_id_);
      unknown_waits = false;
      ids.push_back(*known);
    } else if (!(byte_fallback_ && fall_back_to_bytes(character, ids)) && unknown_id_) {
      if (unknown_waits && !fuse_unknown_) ids.push_back(*unknown_id_);
      unknown_waits = true;
    }
  }
  if (unknown_waits) ids.push_back(*unknown_id_);
  return ids;
}

std::vector<BpeModel::Symbol> BpeModel::symbols_of(std::string_view word) const {
  std::vector<Symbol> symbols;
  for (const std::int32_t id :
       alphabet_ == BpeAlphabet::bytes ? byte_symbols(word) : character_symbols(word)) {
    const auto position = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, position - 1, position + 1, true});
  }
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

std::size_t BpeModel::seam(std::string_view word, std::size_t begin) const {
  Utf8Step previous = read_utf8(word, begin);
  bool previous_known = character_id(previous.code_point).has_value();
  for (std::size_t position = begin + previous.bytes; position < word.size();) {
    const Utf8Step next = read_utf8(word, position);
    const bool known = character_id(next.code_point).has_value();
    if (known && previous_known &&
        !joined_.contains(pair_key(as_key(previous.code_point), as_key(next.code_point)))) {
      return position;
    }
    previous = next;
    previous_known = known;
    position += next.bytes;
  }
  return word.size();
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
