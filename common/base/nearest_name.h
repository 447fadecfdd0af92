#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// Insertions, deletions, substitutions and swaps of neighbours that turn one name into the other.
int edit_distance(std::string_view left, std::string_view right);

/// The candidate a mistyped name most likely meant: the smallest edit distance, if it is at most a third of
/// the name's length (at least 1); the first of several equals.
std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// "Did you mean 'NAME'?" or nothing.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

/// "a, b, c"
std::string join_names(const std::vector<std::string>& names);

}  // namespace cce
