#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/command/commands.h"
#include "coordinator/recipe/recipe_markdown.h"

namespace cce {

void add_document_command(CLI::App& app, const Surroundings& surroundings) {
  auto page = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("document", "Print a page of docs/ that is made from a table");
  command->group("");  // for who changes the table: not in the help
  command->add_option("PAGE", *page, "recipe: docs/recipe.md")->required()->check(CLI::IsMember({"recipe"}));
  command->callback([page, &surroundings] { surroundings.out << recipe_markdown(); });
}

}  // namespace cce
