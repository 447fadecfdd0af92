#include <iostream>
#include <string>
#include <vector>

#include "coordinator/command/commands.h"

int main(int argument_count, char** arguments) {
  const cce::Surroundings surroundings = cce::process_surroundings(std::cout, std::cerr);
  const int status = cce::run_command_line(
      std::vector<std::string>(arguments + 1, arguments + argument_count), surroundings);
  std::cout.flush();
  return status == 0 && !std::cout ? 1 : status;
}
