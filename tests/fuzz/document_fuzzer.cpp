// libFuzzer's entry for the format that CCE_FUZZ_FORMAT names; scripts/fuzz.sh builds and runs it with
// sanitizers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string_view>

#include "tests/fuzz/document.h"

namespace {

cce::DocumentFormat chosen_format() {
  const char* name = std::getenv("CCE_FUZZ_FORMAT");
  for (const cce::DocumentFormat& format : cce::document_formats()) {
    if (name != nullptr && format.name == name) {
      return format;
    }
  }
  throw std::invalid_argument("CCE_FUZZ_FORMAT names no format of tests/fuzz/document.cpp");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const cce::DocumentFormat format = chosen_format();
  try {
    cce::read_document(format, {reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
    __builtin_trap();
  }
  return 0;
}
