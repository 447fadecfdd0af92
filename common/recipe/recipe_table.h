#pragma once
#include "common/recipe/recipe_keys.h"

namespace cce {

/// Sections of recipe_sections() that have rules of their own (recipe_table_job.cpp).
RecipeSection model_keys();
RecipeSection calibration_keys();
RecipeSection target_keys();
RecipeSection threshold_keys();
RecipeSection structure_keys();
RecipeSection kind_keys();

}  // namespace cce
