#include "worker/run/stage_order.h"

#include <algorithm>

namespace cce {

std::vector<StageAction> choose_actions(std::span<const StageEntry> entries) {
  std::vector<StageAction> actions(entries.size(), StageAction::skip);
  std::vector<Stage> needed;
  for (std::size_t i = entries.size(); i-- > 0;) {
    const StageEntry& entry = entries[i];
    const bool wanted =
        entry.is_result || std::find(needed.begin(), needed.end(), entry.stage) != needed.end();
    if (!wanted) {
      continue;
    }
    actions[i] = entry.has_state ? StageAction::load : StageAction::run;
    if (actions[i] == StageAction::run) {
      needed.insert(needed.end(), entry.needs.begin(), entry.needs.end());
    }
  }
  return actions;
}

}  // namespace cce
