#pragma once
#include <string>
#include <string_view>

namespace cce {

/// Rewrites a Split pattern of tokenizer.json for PCRE2 (UTF, UCP). Those patterns are run by Oniguruma,
/// whose spelling overlaps with PCRE2's but means other things in places: \s there is Unicode White_Space
/// (PCRE2 adds U+180E), \h a hexadecimal digit, ^ and $ match at lines, x{1,3}+ is not possessive, \p{Greek}
/// is the script alone. What both read alike passes through, what can be said otherwise is rewritten, the
/// rest is refused. `where` names the key in errors. Errors: unsupported, with the offset in the pattern;
/// malformed_file when it ends inside a construct.
std::string to_pcre2_pattern(std::string_view oniguruma_pattern, const std::string& where);

}  // namespace cce
