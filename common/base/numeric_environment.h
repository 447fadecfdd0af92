#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace cce {

/// The environment variables that change what the numeric libraries compute with: the CPU kernels and block
/// sizes of OpenBLAS, the instruction sets and the rounding of oneDNN, the functions that glibc's libm picks,
/// the rounding and the workspace of cuBLAS. Counts of threads are not among them: the recipe decides those.
std::span<const std::string_view> numeric_variables();

/// Those of them that this process's environment gives a value (an empty one is none): what a scheduler that
/// starts workers in an environment of their own has to carry over.
std::map<std::string, std::string> numeric_environment();

}  // namespace cce
