cce_test(tokenizer_test
  SOURCES tokenizer_golden_test.cpp tokenizer_json_test.cpp tokenizer_pattern_test.cpp tokenizer_unicode_test.cpp
          text_windows_test.cpp
  LIBRARIES cce_tokenizer)

# The program behind scripts/conformance/tokenizer_check.py.
add_executable(tokenizer_dump tokenizer_dump.cpp)
target_link_libraries(tokenizer_dump PRIVATE cce_tokenizer)
