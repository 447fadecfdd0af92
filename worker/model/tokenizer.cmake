# Text in, token ids out: byte-level BPE from tokenizer.json, and windows of tokens from text and token files.
add_library(cce_tokenizer STATIC
  tokenizer.cpp tokenizer_added.cpp tokenizer_bpe.cpp tokenizer_json.cpp tokenizer_pattern.cpp tokenizer_regex.cpp
  tokenizer_split.cpp tokenizer_unicode.cpp text_windows.cpp)
target_include_directories(cce_tokenizer PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(cce_tokenizer PUBLIC cce_common PRIVATE nlohmann_json::nlohmann_json PkgConfig::PCRE2 ICU::uc)
