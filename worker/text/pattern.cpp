#include "worker/text/pattern.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::string_view white_space_ranges =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view other_ranges =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

constexpr std::array<std::string_view, 37> general_categories = {
    "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi",
    "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};

bool is_hexadecimal(std::string_view digits) {
  return !digits.empty() &&
         std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

class PatternWriter {
 public:
  PatternWriter(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string write() {
    while (position_ < pattern_.size()) write_next();
    if (in_class_) fail_at_end("a character class");
    return std::move(written_);
  }

 private:
  void write_next() {
    const char next = pattern_[position_];
    if (next == '\\') {
      write_escape();
    } else if (in_class_) {
      write_in_class(next);
    } else {
      write_outside(next);
    }
  }

  void write_in_class(char next) {
    if (next == '[') refuse(1, "a set inside a character class");
    if (starts_with("&&")) refuse(2, "an intersection of character classes");
    if (next == ']') in_class_ = false;
    copy(1);
  }

  void write_outside(char next) {
    switch (next) {
      case '[':
        copy(starts_with("[^") ? 2 : 1);
        if (starts_with("]")) refuse(1, "] as the first member of a character class");
        in_class_ = true;
        return;
      case '(':
        write_group();
        return;
      case '{':
        write_repeat();
        return;
      case '^':
      case '$':
        refuse(1, "a line anchor");
      default:
        copy(1);
    }
  }

  void write_group() {
    if (starts_with("(*")) refuse(2, "a callout");
    if (!starts_with("(?")) return copy(1);
    for (const std::string_view opening : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"}) {
      if (starts_with(opening)) return copy(opening.size());
    }
    refuse(3, "this kind of group");
  }

  // {n}, {n,} or {n,m} with no suffix: a following + or ? means something else in each engine.
  void write_repeat() {
    const std::size_t end = pattern_.find('}', position_);
    if (end == std::string_view::npos) refuse(1, "an unescaped {");
    const std::string_view body = pattern_.substr(position_ + 1, end - position_ - 1);
    const bool digits_first = !body.empty() && body[0] >= '0' && body[0] <= '9';
    const bool well_formed = body.find_first_not_of("0123456789,") == std::string_view::npos &&
                             std::count(body.begin(), body.end(), ',') <= 1;
    if (!digits_first || !well_formed) refuse(end - position_ + 1, "this repetition");
    const std::string_view rest = pattern_.substr(end + 1);
    if (!rest.empty() && (rest[0] == '+' || rest[0] == '?')) refuse(end - position_ + 2, "a suffix after {}");
    copy(end - position_ + 1);
  }

  void write_escape() {
    if (position_ + 1 >= pattern_.size()) fail_at_end("an escape");
    const char kind = pattern_[position_ + 1];
    switch (kind) {
      case 's':
        return replace(2, in_class_ ? std::string(white_space_ranges) : bracketed(white_space_ranges));
      case 'S':
        return replace(2, in_class_ ? std::string(other_ranges) : bracketed(other_ranges));
      case 'd':
        return replace(2, "\\p{Nd}");
      case 'D':
        return replace(2, "\\P{Nd}");
      case 'v':
        return replace(2, "\\x{b}");
      case 'p':
      case 'P':
        return write_property(kind == 'P');
      case 'x':
      case 'u':
        return write_code_point(kind);
      case 'A':
      case 'z':
        if (in_class_) refuse(2, "this escape in a character class");
        return copy(2);
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        return copy(2);
      default:
        if (std::isalnum(static_cast<unsigned char>(kind)) != 0) refuse(2, "this escape");
        return copy(2);
    }
  }

  void write_property(bool negated) {
    const std::size_t end = pattern_.find('}', position_);
    if (!pattern_.substr(position_ + 2).starts_with('{') || end == std::string_view::npos) {
      refuse(2, "a property without braces");
    }
    std::string_view name = pattern_.substr(position_ + 3, end - position_ - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    const bool category =
        std::find(general_categories.begin(), general_categories.end(), name) != general_categories.end();
    std::string property(negated ? "\\P{" : "\\p{");
    property.append(category ? "" : "sc:").append(name).append("}");
    replace(end - position_ + 1, property);
  }

  // \x{H…}, \xHH below 0x80 (above it stands for a byte), \uHHHH
  void write_code_point(char kind) {
    if (kind == 'x' && pattern_.substr(position_ + 2).starts_with('{')) {
      const std::size_t end = pattern_.find('}', position_);
      if (end == std::string_view::npos ||
          !is_hexadecimal(pattern_.substr(position_ + 3, end - position_ - 3))) {
        refuse(3, "this escape");
      }
      return copy(end - position_ + 1);
    }
    const std::size_t digits = kind == 'x' ? 2 : 4;
    const std::string_view value = pattern_.substr(position_ + 2, digits);
    if (value.size() != digits || !is_hexadecimal(value) || (kind == 'x' && value[0] >= '8')) {
      refuse(2 + value.size(), "this escape");
    }
    replace(2 + digits, std::string("\\x{").append(value).append("}"));
  }

  static std::string bracketed(std::string_view ranges) {
    std::string set(1, '[');
    set.append(ranges).push_back(']');
    return set;
  }

  bool starts_with(std::string_view text) const { return pattern_.substr(position_).starts_with(text); }

  void copy(std::size_t bytes) { replace(bytes, std::string(pattern_.substr(position_, bytes))); }

  void replace(std::size_t bytes, const std::string& text) {
    written_ += text;
    position_ += bytes;
  }

  [[noreturn]] void refuse(std::size_t bytes, const std::string& what) const {
    throw Error{
        .code = ErrorCode::unsupported,
        .where = where_ + ", offset " + std::to_string(position_),
        .found = what + ": " + std::string(pattern_.substr(position_, bytes)),
        .expected =
            "literals, classes, \\s \\S \\d \\D, \\p{category or script}, groups, lookaround, repetition",
        .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
  }

  [[noreturn]] void fail_at_end(const std::string& what) const {
    throw Error{.code = ErrorCode::malformed_file,
                .where = where_,
                .found = "a pattern that ends inside " + what + ": " + std::string(pattern_),
                .expected = "a complete regular expression",
                .remedy = "Repair the tokenizer.json or download it again"};
  }

  std::string_view pattern_;
  const std::string& where_;
  std::size_t position_ = 0;
  bool in_class_ = false;
  std::string written_;
};

}  // namespace

std::string to_pcre2_pattern(std::string_view oniguruma_pattern, const std::string& where) {
  return PatternWriter(oniguruma_pattern, where).write();
}

}  // namespace cce
