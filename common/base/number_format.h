#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace cce {

/// Numbers as text, the same on every machine and in every locale.

/// The shortest decimal that reads back as the same double: 0.1, 1e-05, 3. Not finite: "inf", "-inf", "nan".
std::string format_number(double value);

/// A fixed count of decimals, for tables: format_fixed(1.23456, 2) = "1.23".
std::string format_fixed(double value, int decimals);

/// For people: "512 B", "1.5 KiB", "2.0 GiB".
std::string format_bytes(std::int64_t bytes);

/// Reads "1536", "1.5 KiB", "2GiB", "500MB" (KiB, MiB, GiB, TiB are powers of 1024; kB, MB, GB, TB of 1000).
/// `where` is the key path. Errors: wrong_type, out_of_range.
std::int64_t parse_bytes(std::string_view text, const std::string& where);

/// Reads "90s", "30m", "2h", "1d". Returns seconds > 0. Errors: wrong_type.
std::int64_t parse_duration_seconds(std::string_view text, const std::string& where);

}  // namespace cce
