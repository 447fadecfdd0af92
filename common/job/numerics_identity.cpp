#include "common/job/numerics_identity.h"

#include <algorithm>
#include <optional>
#include <set>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {
namespace {

const char* const build_key = "build";
const char* const absent = "none";

std::string value_of(const NumericsIdentity& identity, const std::string& name) {
  if (name == build_key) {
    return identity.build;
  }
  const auto fact = std::find_if(identity.facts.begin(), identity.facts.end(),
                                 [&name](const NumericsFact& candidate) { return candidate.name == name; });
  return fact == identity.facts.end() ? absent : fact->value;
}

/// The names of both, in the first's order.
std::vector<std::string> names_of(const NumericsIdentity& first, const NumericsIdentity& second) {
  std::vector<std::string> names;
  for (const NumericsIdentity* identity : {&first, &second}) {
    for (const NumericsFact& fact : identity->facts) {
      if (std::find(names.begin(), names.end(), fact.name) == names.end()) {
        names.push_back(fact.name);
      }
    }
  }
  return names;
}

/// "VALUE on rank 0 (n1)" or "VALUE on ranks 0, 2 and 3 (n1, n2)".
std::string holders(std::span<const RankNumerics> ranks, const std::string& name, const std::string& value) {
  std::vector<std::string> numbers;
  std::set<std::string> hosts;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (value_of(ranks[rank].identity, name) == value) {
      numbers.push_back(std::to_string(rank));
      hosts.insert(ranks[rank].host);
    }
  }
  std::string text = value + (numbers.size() == 1 ? " on rank " : " on ranks ");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == numbers.size() ? " and " : ", ") + numbers[i];
  }
  std::string places;
  for (const std::string& host : hosts) {
    places += (places.empty() ? "" : ", ") + host;
  }
  return text + " (" + places + ")";
}

/// Nothing where every rank has the same.
std::optional<std::string> disagreement(std::span<const RankNumerics> ranks, const std::string& name) {
  std::vector<std::string> values;
  for (const RankNumerics& rank : ranks) {
    std::string value = value_of(rank.identity, name);
    if (std::find(values.begin(), values.end(), value) == values.end()) {
      values.push_back(std::move(value));
    }
  }
  if (values.size() < 2) {
    return std::nullopt;
  }
  std::string text = name + ": ";
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += (i == 0 ? "" : ", ") + holders(ranks, name, values[i]);
  }
  return text;
}

}  // namespace

std::string to_json(const NumericsIdentity& identity) {
  OrderedJson document{{build_key, identity.build}};
  for (const NumericsFact& fact : identity.facts) {
    document[fact.name] = fact.value;
  }
  return compact_json(document);
}

NumericsIdentity parse_numerics_identity(std::string_view json_text, const std::string& where) {
  const Json strict = parse_json(json_text, where, 2);  // refuses what the next line lets pass
  if (const JsonReader reader(strict, where); !reader.is_object()) {
    reader.refuse(ErrorCode::wrong_type, "an object");
  }
  const OrderedJson document = OrderedJson::parse(json_text);
  NumericsIdentity identity;
  for (const auto& [name, value] : document.items()) {
    const Json copy = value;
    std::string text = JsonReader(copy, where, name).text();
    if (name == build_key) {
      identity.build = std::move(text);
    } else {
      identity.facts.push_back({name, std::move(text)});
    }
  }
  return identity;
}

std::vector<NumericsDifference> numerics_differences(const NumericsIdentity& first,
                                                     const NumericsIdentity& second) {
  std::vector<NumericsDifference> differences;
  for (const std::string& name : names_of(first, second)) {
    const std::string one = value_of(first, name), other = value_of(second, name);
    if (one != other) {
      differences.push_back({name, one, other});
    }
  }
  return differences;
}

void check_ranks_agree(std::span<const RankNumerics> ranks) {
  std::vector<std::string> names{build_key};
  for (const RankNumerics& rank : ranks) {
    for (const NumericsFact& fact : rank.identity.facts) {
      if (std::find(names.begin(), names.end(), fact.name) == names.end()) {
        names.push_back(fact.name);
      }
    }
  }
  std::string found;
  for (const std::string& name : names) {
    if (const std::optional<std::string> text = disagreement(ranks, name)) {
      found += (found.empty() ? "" : "; ") + *text;
    }
  }
  if (!found.empty()) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "ranks of one run",
                .found = found,
                .expected = "the same on every rank, so that the result does not depend on who computed what",
                .remedy =
                    "Run on nodes of one kind (resources.constraint on a cluster) with the same programs, "
                    "or choose kernels that all of them have with OPENBLAS_CORETYPE and "
                    "DNNL_MAX_CPU_ISA"};
  }
}

}  // namespace cce
