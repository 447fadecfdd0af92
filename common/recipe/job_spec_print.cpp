#include "common/base/json_writer.h"
#include "common/recipe/job_spec.h"
#include "common/recipe/recipe_keys.h"

namespace cce {

std::string to_json(const JobSpec& spec) {
  OrderedJson document = OrderedJson::object();
  for (const RecipeKey* key : recipe_keys()) {
    std::optional<OrderedJson> value = key->print(spec);
    if (!value) {
      continue;
    }
    OrderedJson& place = key->section.empty() ? document : document[key->section];
    place[key->name] = std::move(*value);
  }
  return pretty_json(document);
}

}  // namespace cce
