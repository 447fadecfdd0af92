#define PCRE2_CODE_UNIT_WIDTH 8
#include "worker/text/regex.h"

#include <pcre2.h>

#include <new>

#include "common/base/error.h"
#include "worker/text/unicode.h"

namespace cce {
namespace {

constexpr std::size_t jit_stack_start_bytes = 64UL << 10U;
constexpr std::size_t jit_stack_most_bytes = 64UL << 20U;

std::string pcre2_message(int code) {
  std::string message(256, '\0');
  const int length =
      pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(message.data()), message.size());
  message.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return message;
}

template <typename T>
T* allocated(T* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

}  // namespace

struct SplitRegex::Scratch::Parts {
  pcre2_match_data* match = allocated(pcre2_match_data_create(1, nullptr));
  pcre2_match_context* context = allocated(pcre2_match_context_create(nullptr));
  pcre2_jit_stack* stack = pcre2_jit_stack_create(jit_stack_start_bytes, jit_stack_most_bytes, nullptr);

  Parts() { pcre2_jit_stack_assign(context, nullptr, stack); }
  ~Parts() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
};

SplitRegex::Scratch::Scratch() : parts_(std::make_unique<Parts>()) {}
SplitRegex::Scratch::~Scratch() = default;

struct SplitRegex::Code {
  pcre2_code* compiled = nullptr;
  ~Code() { pcre2_code_free(compiled); }
};

SplitRegex::SplitRegex(std::string_view pattern, const std::string& where)
    : code_(std::make_unique<Code>()), where_(where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code_->compiled == nullptr) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = where,
                .found = pcre2_message(error) + " at offset " + std::to_string(offset) + " of " +
                         std::string(pattern),
                .expected = "a regular expression that PCRE2 compiles",
                .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
  }
  // Where there is no just-in-time compiler the interpreter finds the same matches.
  pcre2_jit_compile(code_->compiled, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  std::uint32_t looks_behind = 0;
  pcre2_pattern_info(code_->compiled, PCRE2_INFO_MAXLOOKBEHIND, &looks_behind);
  needs_whole_text_ = looks_behind > 0 || pattern.find("\\A") != std::string_view::npos;
}

SplitRegex::~SplitRegex() = default;
SplitRegex::SplitRegex(SplitRegex&&) noexcept = default;

std::size_t SplitRegex::find_all(std::string_view text, bool ends, bool follows_match, Scratch& scratch,
                                 std::vector<TextRange>& matches) const {
  matches.clear();
  const Scratch::Parts& parts = *scratch.parts_;
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(parts.match);
  const std::uint32_t options = PCRE2_NO_UTF_CHECK | (ends ? 0U : PCRE2_PARTIAL_HARD);
  std::size_t start = 0;
  while (start <= text.size()) {
    const int count = pcre2_match(code_->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                  start, options, parts.match, parts.context);
    if (count == PCRE2_ERROR_NOMATCH) return text.size();
    if (count == PCRE2_ERROR_PARTIAL) return found[0];
    if (count < 0) {
      throw Error{
          .code = ErrorCode::unsupported,
          .where = where_,
          .found = pcre2_message(count) + " after byte " + std::to_string(start) + " of a piece of text",
          .expected = "a text that the pattern splits within PCRE2's limits",
          .remedy = "Look for a very long run of one kind of character, or use a token file"};
    }
    if (!ends && found[1] == text.size()) return found[0];  // an empty match at the end, for one
    const bool empty = found[0] == found[1];
    const bool touches_previous =
        matches.empty() ? follows_match && found[0] == 0 : matches.back().end == found[0];
    if (!empty || !touches_previous) matches.push_back({found[0], found[1]});
    start = found[1];
    if (empty) start += start < text.size() ? read_utf8(text, start).bytes : 1;
  }
  return text.size();
}

}  // namespace cce
