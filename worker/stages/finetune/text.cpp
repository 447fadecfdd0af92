#include "worker/stages/finetune/text.h"

#include <algorithm>
#include <numeric>

#include "worker/numeric/counter_random.h"
#include "worker/stages/calibrate/calibration_data.h"

namespace cce {
namespace {

std::vector<std::vector<TrainingText::Window>> read_texts(StageContext& context) {
  std::vector<std::vector<TrainingText::Window>> texts;
  for (const TextSource& source : context.spec.finetune.text) {
    texts.push_back(share_text_windows(context, source));
  }
  return texts;
}

}  // namespace

TrainingOrder::TrainingOrder(std::uint64_t seed, std::vector<std::size_t> windows)
    : seed_(seed), windows_(std::move(windows)) {}

/// Fisher and Yates, drawn from the seed's stream for this text; every pass has numbers of its own.
const std::vector<std::size_t>& TrainingOrder::permutation(std::size_t text, std::uint64_t pass) const {
  const auto found = latest_.find(text);
  if (found != latest_.end() && found->second.first == pass) {
    return found->second.second;
  }
  const std::size_t count = windows_[text];
  const CounterRandom random(seed_, RandomStream::training_order, text);
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t last = count; last > 1; --last) {
    const double draw = random.uniform(pass * count + last - 1);
    const auto other = static_cast<std::size_t>(draw * static_cast<double>(last));
    std::swap(order[last - 1], order[std::min(other, last - 1)]);
  }
  std::pair<std::uint64_t, std::vector<std::size_t>>& place = latest_[text];
  place = {pass, std::move(order)};
  return place.second;
}

TrainingOrder::Place TrainingOrder::at(std::int64_t position) const {
  const auto index = static_cast<std::size_t>(position);
  const std::size_t text = index % windows_.size();
  const std::size_t turn = index / windows_.size();
  const std::size_t count = windows_[text];
  return {text, permutation(text, turn / count)[turn % count]};
}

TrainingText::TrainingText(StageContext& context)
    : length_(context.spec.calibration.length),
      texts_(read_texts(context)),
      order_(static_cast<std::uint64_t>(context.spec.seed), sizes()) {}

std::vector<std::size_t> TrainingText::sizes() const {
  std::vector<std::size_t> result;
  for (const std::vector<Window>& text : texts_) {
    result.push_back(text.size());
  }
  return result;
}

std::int64_t TrainingText::windows() const {
  std::size_t total = 0;
  for (const std::vector<Window>& text : texts_) {
    total += text.size();
  }
  return static_cast<std::int64_t>(total);
}

std::vector<TrainingText::Window> TrainingText::slice(std::int64_t first, std::int64_t last) const {
  std::vector<Window> result;
  for (std::int64_t position = first; position < last; ++position) {
    const TrainingOrder::Place place = order_.at(position);
    result.push_back(texts_[place.text][place.window]);
  }
  return result;
}

}  // namespace cce
