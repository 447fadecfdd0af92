#include <sentencepiece_processor.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "worker/text/codec.h"

namespace cce {
namespace {

using Processor = sentencepiece::SentencePieceProcessor;

constexpr std::string_view space_sign = "\xE2\x96\x81";
constexpr std::size_t longest_stretch_bytes = std::size_t{1} << 16U;

bool is_letter_or_digit(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/// Whether a text may be cut at a space between two letters, the space left out: the model puts one before
/// every text, and no piece goes on behind one.
bool can_be_cut(const Processor& processor) {
  std::vector<std::string> pieces;
  if (!processor.Encode("a", &pieces).ok() || pieces.empty() || !pieces.front().starts_with(space_sign)) {
    return false;
  }
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    const std::string_view piece = processor.IdToPiece(id);
    const std::size_t first_other = piece.find_first_not_of(space_sign);
    if (first_other != std::string_view::npos &&
        piece.find(space_sign, first_other) != std::string_view::npos) {
      return false;
    }
  }
  return true;
}

class SentencePieceStream final : public TokenStream {
 public:
  SentencePieceStream(const Processor& processor, bool can_cut) : processor_(processor), can_cut_(can_cut) {}

  void push(std::string_view part, bool ends, std::vector<std::int32_t>& ids) override {
    held_ += part;
    std::size_t begin = 0;
    while (can_cut_ && held_.size() - begin > longest_stretch_bytes) {
      const std::size_t space = next_cut(begin + longest_stretch_bytes);
      if (space == std::string::npos) break;
      encode(std::string_view(held_).substr(begin, space - begin), ids);
      begin = space + 1;
    }
    held_.erase(0, begin);
    if (!ends) return;
    encode(held_, ids);
    held_.clear();
  }

 private:
  std::size_t next_cut(std::size_t from) const {
    for (std::size_t space = from; space + 1 < held_.size(); ++space) {
      if (held_[space] == ' ' && is_letter_or_digit(held_[space - 1]) &&
          is_letter_or_digit(held_[space + 1])) {
        return space;
      }
    }
    return std::string::npos;
  }

  void encode(std::string_view text, std::vector<std::int32_t>& ids) const {
    std::vector<int> encoded;
    const sentencepiece::util::Status status = processor_.Encode({text.data(), text.size()}, &encoded);
    if (!status.ok()) {
      throw Error{.code = ErrorCode::unsupported,
                  .where = "tokenizer.model",
                  .found = status.ToString(),
                  .expected = "a text that SentencePiece can encode",
                  .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
    }
    ids.insert(ids.end(), encoded.begin(), encoded.end());
  }

  const Processor& processor_;
  bool can_cut_;
  std::string held_;
};

class SentencePieceCodec final : public TextCodec {
 public:
  SentencePieceCodec(std::string_view model, bool add_begin, const std::string& where) {
    const sentencepiece::util::Status status =
        processor_.LoadFromSerializedProto({model.data(), model.size()});
    if (!status.ok()) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = where,
                  .found = status.ToString(),
                  .expected = "a SentencePiece model",
                  .remedy = "Download it again"};
    }
    can_cut_ = can_be_cut(processor_);
    if (add_begin && processor_.bos_id() >= 0) begin_ids_.push_back(processor_.bos_id());
  }

  std::unique_ptr<TokenStream> stream() const override {
    return std::make_unique<SentencePieceStream>(processor_, can_cut_);
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::vector<int> known;
    std::copy_if(ids.begin(), ids.end(), std::back_inserter(known),
                 [&](std::int32_t id) { return id < processor_.GetPieceSize(); });
    std::string text;
    static_cast<void>(processor_.Decode(known, &text));  // fails for unknown ids alone
    return text;
  }

  const std::vector<std::int32_t>& begin_ids() const override { return begin_ids_; }
  std::int64_t vocabulary_size() const override { return processor_.GetPieceSize(); }

 private:
  Processor processor_;
  bool can_cut_ = false;
  std::vector<std::int32_t> begin_ids_;
};

}  // namespace

std::unique_ptr<const TextCodec> make_sentencepiece_codec(std::string_view model, bool add_begin,
                                                          const std::string& where) {
  return std::make_unique<SentencePieceCodec>(model, add_begin, where);
}

}  // namespace cce
