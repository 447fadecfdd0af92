#pragma once
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "worker/passes/stage_context.h"

namespace cce {

/// Which training window comes when: a function of the seed alone, whatever the ranks. Window p of the run is
/// of text p mod T, T the number of texts, so that every text has the same share of the tokens; a text's
/// windows pass in a random order, and in another one each time it has been passed through. Not thread-safe.
class TrainingOrder {
 public:
  struct Place {
    std::size_t text = 0;
    std::size_t window = 0;
    bool operator==(const Place&) const = default;
  };

  /// windows: of each text, all > 0; at least one text.
  TrainingOrder(std::uint64_t seed, std::vector<std::size_t> windows);
  Place at(std::int64_t position) const;

 private:
  const std::vector<std::size_t>& permutation(std::size_t text, std::uint64_t pass) const;

  std::uint64_t seed_;
  std::vector<std::size_t> windows_;
  /// The latest permutation of each text and the pass it is for.
  mutable std::map<std::size_t, std::pair<std::uint64_t, std::vector<std::size_t>>> latest_;
};

/// The training texts on every rank, cut into windows, and the order in which steps take them.
class TrainingText {
 public:
  using Window = std::vector<std::int32_t>;

  /// Rank 0 reads finetune.text, every rank receives the windows. Collective. Errors: those of
  /// JobTexts::windows.
  explicit TrainingText(StageContext& context);

  std::int64_t length() const { return length_; }
  /// Of all texts.
  std::int64_t windows() const;
  /// Windows [first, last) of the run, in its order.
  std::vector<Window> slice(std::int64_t first, std::int64_t last) const;

 private:
  std::vector<std::size_t> sizes() const;

  std::int64_t length_;
  std::vector<std::vector<Window>> texts_;
  TrainingOrder order_;
};

}  // namespace cce
