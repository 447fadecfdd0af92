#pragma once
#include <string>

namespace cce {

/// What `cce-worker --check-texts SPEC` does, alone and without MPI: prepares the texts of a job as its first
/// stage does (JobTexts::prepare), with its token files beside SPEC, so that who makes a job learns what its workers
/// would refuse. Whoever made SPEC's folder removes it, however this ends. Prints the error, as error_json has it, and returns its exit code; 0 where there is none.
int check_texts(const std::string& spec_path);

}  // namespace cce
