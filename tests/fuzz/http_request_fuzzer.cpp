// libFuzzer's entry; scripts/fuzz.sh builds and runs it with sanitizers.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>

#include "tests/fuzz/http_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static cce::HttpRequestTarget target;
  try {
    target.serve({reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
    __builtin_trap();
  }
  return 0;
}
