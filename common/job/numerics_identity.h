#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// One thing that decides the bits of a result, such as the kernels that a library has picked.
struct NumericsFact {
  std::string name, value;
  bool operator==(const NumericsFact&) const = default;
};

/// All that decides, besides the job itself, which bits a rank computes: device, threads, the libraries'
/// versions and kernels, the digest of a few small products and factorisations. Two ranks with the same facts
/// and the same build give the same bits for the same inputs.
struct NumericsIdentity {
  std::string build;                ///< of the program; says something about ranks of one run alone
  std::vector<NumericsFact> facts;  ///< names differ; in the order that people read them
  bool operator==(const NumericsIdentity&) const = default;
};

/// {"build": "...", "device": "cpu", "threads": "2", ...} as JSON text.
std::string to_json(const NumericsIdentity& identity);
/// Errors: malformed_file, wrong_type with `where`.
NumericsIdentity parse_numerics_identity(std::string_view json_text, const std::string& where);

/// A fact that two identities do not share; "none" where one of them does not have it.
struct NumericsDifference {
  std::string name, first, second;
  bool operator==(const NumericsDifference&) const = default;
};
/// In the order of `first`, then what only `second` has. Builds are not compared: kept work carries the
/// version of the code in its fingerprint.
std::vector<NumericsDifference> numerics_differences(const NumericsIdentity& first,
                                                     const NumericsIdentity& second);

/// A rank of a run.
struct RankNumerics {
  std::string host;
  NumericsIdentity identity;
};
/// Ranks add up each other's sums, and each stores the layers that it owns: all must compute alike. `ranks`
/// in their order. Errors: impossible_combination, which names for each fact (builds too) the ranks and hosts
/// of every value.
void check_ranks_agree(std::span<const RankNumerics> ranks);

}  // namespace cce
