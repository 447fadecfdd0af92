#pragma once
#include <initializer_list>
#include <string>
#include <vector>

#include "common/base/json_reader.h"
#include "worker/text/decoder.h"
#include "worker/text/normalizer.h"
#include "worker/text/split.h"

namespace cce {

/// The parts of a tokenizer.json around its model. Errors: those of parse_tokenizer_json.
std::vector<NormalizerStep> parse_normalizer(const JsonReader& node);
std::vector<DecoderStep> parse_decoder(const JsonReader& node);
/// The ids that the post-processor puts before a text: none where it puts none.
std::vector<std::int32_t> parse_begin_ids(const JsonReader& node);

/// Appends the steps; says whether the last one turned text into bytes, after which nothing may follow.
bool parse_pre_tokenizer(const JsonReader& node, std::vector<SplitStep>& steps);

/// unsupported, or malformed_file, at a value. A key that is not `known` could change the ids: that is
/// unsupported, not a typing error.
[[noreturn]] void refuse_unsupported(const JsonReader& node, const std::string& expected);
[[noreturn]] void refuse_malformed(const JsonReader& node, const std::string& expected);
void check_keys(const JsonReader& node, std::initializer_list<std::string_view> known);

/// Tokens are indexed by id; the largest published vocabularies have 2^18.
constexpr IntegerRange token_id_range = {.lowest = 0, .highest = (1 << 24) - 1};

}  // namespace cce
