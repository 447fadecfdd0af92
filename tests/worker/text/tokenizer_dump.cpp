// tokenizer_dump TOKENIZER.json < RECORDS > RECORDS: encodes texts for
// scripts/conformance/tokenizer_check.py. In: (u32 bytes, UTF-8)…  Out: (u32 ids, i32 id…)…  All
// little-endian.
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "worker/text/tokenizer.h"

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::cerr << "usage: tokenizer_dump TOKENIZER.json\n";
    return 2;
  }
  try {
    const cce::Tokenizer tokenizer = cce::Tokenizer::load(cce::PosixFileSystem(), arguments[1]);
    std::uint32_t bytes = 0;
    while (std::cin.read(reinterpret_cast<char*>(&bytes), sizeof bytes)) {
      std::string text(bytes, '\0');
      std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
      const std::vector<std::int32_t> ids = tokenizer.encode(text);
      const auto count = static_cast<std::uint32_t>(ids.size());
      std::cout.write(reinterpret_cast<const char*>(&count), sizeof count);
      std::cout.write(reinterpret_cast<const char*>(ids.data()),
                      static_cast<std::streamsize>(ids.size() * sizeof(std::int32_t)));
    }
  } catch (const cce::Error& error) {
    std::cerr << cce::describe(error) << "\n";
    return cce::exit_code(error.code);
  }
  return 0;
}
