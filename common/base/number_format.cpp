#include "common/base/number_format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

/// Splits "1.5 KiB" into its number and its unit. Returns false where the text does not start with a number.
bool split_quantity(std::string_view text, double& number, std::string_view& unit) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || !std::isfinite(number)) {
    return false;
  }
  unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') {
    unit.remove_prefix(1);
  }
  return true;
}

}  // namespace

std::string format_number(double value) {
  std::array<char, 64> buffer{};
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return failure == std::errc() ? std::string(buffer.data(), end) : std::string("nan");
}

std::string format_fixed(double value, int decimals) {
  std::array<char, 512> buffer{};
  const auto [end, failure] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals);
  return failure == std::errc() ? std::string(buffer.data(), end) : format_number(value);
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<const char*, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
  double scaled = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(scaled) >= 1024.0 && unit + 1 < units.size()) {
    scaled /= 1024.0;
    ++unit;
  }
  return format_fixed(scaled, unit == 0 ? 0 : 1) + " " + units[unit];
}

std::int64_t parse_bytes(std::string_view text, const std::string& where) {
  static constexpr std::array<std::pair<std::string_view, double>, 10> units = {{{"", 1.0},
                                                                                 {"B", 1.0},
                                                                                 {"kB", 1e3},
                                                                                 {"MB", 1e6},
                                                                                 {"GB", 1e9},
                                                                                 {"TB", 1e12},
                                                                                 {"KiB", 1024.0},
                                                                                 {"MiB", 1048576.0},
                                                                                 {"GiB", 1073741824.0},
                                                                                 {"TiB", 1099511627776.0}}};
  double number = 0.0;
  std::string_view unit;
  if (split_quantity(text, number, unit)) {
    for (const auto& [name, factor] : units) {
      if (unit != name) {
        continue;
      }
      const double bytes = number * factor;
      if (bytes < 1.0 || bytes > 9e18) {
        throw Error{.code = ErrorCode::out_of_range,
                    .where = where,
                    .found = "'" + std::string(text) + "'",
                    .expected = "at least one byte and less than 9e18",
                    .remedy = "Check number and unit."};
      }
      return static_cast<std::int64_t>(bytes);
    }
  }
  throw Error{.code = ErrorCode::wrong_type,
              .where = where,
              .found = "'" + std::string(text) + "'",
              .expected = "bytes, such as 1500000, 500MB or 2GiB",
              .remedy = "Write a number and one of these units."};
}

std::int64_t parse_duration_seconds(std::string_view text, const std::string& where) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> units = {
      {{"s", 1.0}, {"m", 60.0}, {"h", 3600.0}, {"d", 86400.0}}};
  double number = 0.0;
  std::string_view unit;
  if (split_quantity(text, number, unit)) {
    for (const auto& [name, factor] : units) {
      const double seconds = number * factor;
      if (unit == name && seconds >= 1.0 && seconds < 1e9) {
        return static_cast<std::int64_t>(seconds);
      }
    }
  }
  throw Error{.code = ErrorCode::wrong_type,
              .where = where,
              .found = "'" + std::string(text) + "'",
              .expected = "a duration of at least a second, such as 90s, 30m, 2h or 1d",
              .remedy = "Write a number and one of these units."};
}

}  // namespace cce
