#include <optional>
#include <utility>

#include "common/base/error.h"
#include "worker/text/added.h"
#include "worker/text/codec.h"
#include "worker/text/json.h"
#include "worker/text/models/bpe.h"
#include "worker/text/split.h"

namespace cce {
namespace {

std::vector<AddedToken> added_tokens_of(const TokenizerDefinition& definition, bool normalized,
                                        const Normalizer& normalizer) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : definition.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = normalizer.normalize(token.content);
    chosen.push_back(std::move(token));
  }
  return chosen;
}

// By id, added tokens as they are looked for; an id that no token has is absent.
std::vector<std::optional<std::string>> tokens_of(const TokenizerDefinition& definition,
                                                  const Normalizer& normalizer) {
  std::vector<std::optional<std::string>> tokens;
  const auto set = [&](std::int32_t id, const std::string& token) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= tokens.size()) tokens.resize(index + 1);
    tokens[index] = token;
  };
  for (const auto& [token, id] : definition.model.vocabulary) set(id, token);
  for (const bool normalized : {false, true}) {
    for (const AddedToken& token : added_tokens_of(definition, normalized, normalizer)) {
      set(token.id, token.content);
    }
  }
  return tokens;
}

struct Parts {
  Parts(const TokenizerDefinition& definition, const std::string& where)
      : normalizer(definition.normalizer_steps),
        added_before(added_tokens_of(definition, false, normalizer)),
        added_after(added_tokens_of(definition, true, normalizer)),
        splitter(definition.split_steps),
        model(definition.model, where),
        tokens(tokens_of(definition, normalizer)),
        decoder_steps(definition.decoder_steps),
        begin_ids(definition.begin_ids) {}

  Normalizer normalizer;
  AddedTokenMatcher added_before, added_after;  ///< looked for before and after normalization
  TextSplitter splitter;
  BpeModel model;
  std::vector<std::optional<std::string>> tokens;
  std::vector<DecoderStep> decoder_steps;
  std::vector<std::int32_t> begin_ids;
};

/// The steps of Tokenizer in a row, each with the next one as its sink.
class Pipeline final : public TokenStream {
 public:
  explicit Pipeline(const Parts& parts)
      : words_(parts.model),
        splitter_(parts.splitter,
                  [this](std::string_view part, bool ends) { words_.push(part, ends, *ids_); }),
        added_after_(
            parts.added_after,
            [this](std::string_view part, bool ends) {
              splitter_.push(part, ends, starts_whole_);
              starts_whole_ = starts_whole_ && part.empty();
            },
            [this](std::int32_t id) { append(id); }),
        normalizer_(parts.normalizer,
                    [this](std::string_view part, bool ends) { added_after_.push(part, ends); }),
        added_before_(
            parts.added_before, [this](std::string_view part, bool ends) { normalizer_.push(part, ends); },
            [this](std::int32_t id) { append(id); }) {}

  void push(std::string_view part, bool ends, std::vector<std::int32_t>& ids) override {
    ids_ = &ids;
    added_before_.push(part, ends);
    starts_whole_ = starts_whole_ || ends;
  }

 private:
  void append(std::int32_t id) {
    ids_->push_back(id);
    starts_whole_ = false;
  }

  std::vector<std::int32_t>* ids_ = nullptr;
  bool starts_whole_ = true;       ///< nothing of the text has come yet
  WordEncoder words_;              ///< 4.
  TextSplitter::Stream splitter_;  ///< 3.
  AddedTokenMatcher::Stream added_after_;
  Normalizer::Stream normalizer_;           ///< 2.
  AddedTokenMatcher::Stream added_before_;  ///< 1.
};

class JsonCodec final : public TextCodec {
 public:
  JsonCodec(const TokenizerDefinition& definition, const std::string& where) : parts_(definition, where) {}

  std::unique_ptr<TokenStream> stream() const override { return std::make_unique<Pipeline>(parts_); }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::vector<std::string> tokens;
    for (const std::int32_t id : ids) {
      const auto index = static_cast<std::size_t>(id);
      if (index < parts_.tokens.size() && parts_.tokens[index]) tokens.push_back(*parts_.tokens[index]);
    }
    return decode_tokens(parts_.decoder_steps, std::move(tokens));
  }

  const std::vector<std::int32_t>& begin_ids() const override { return parts_.begin_ids; }
  std::int64_t vocabulary_size() const override { return static_cast<std::int64_t>(parts_.tokens.size()); }

 private:
  Parts parts_;
};

}  // namespace

std::unique_ptr<const TextCodec> make_json_codec(std::string_view json_text, const std::string& where) {
  return std::make_unique<JsonCodec>(parse_tokenizer_json(json_text, where), where);
}

}  // namespace cce
