# One place for language level, warnings, sanitizers and where programs land (build/PRESET/bin).
option(CCE_BUILD_TESTS "Build the tests" ON)
set(CCE_SANITIZE "" CACHE STRING "Sanitizers for every target: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wall> $<$<COMPILE_LANGUAGE:CXX>:-Wextra>
                    $<$<COMPILE_LANGUAGE:CXX>:-Wpedantic> $<$<COMPILE_LANGUAGE:CXX>:-Wshadow>
                    $<$<COMPILE_LANGUAGE:CXX>:-Wconversion> $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
if(CCE_SANITIZE)
  # No report is passed over: undefined behaviour ends the program as the other sanitizers' findings do.
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${CCE_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=all>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${CCE_SANITIZE})
  if(CCE_SANITIZE STREQUAL "thread")
    # Asio has fences beside its locks, which the thread sanitizer does not follow; GCC warns of each.
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-tsan>)
  else()
    # With the address sanitizer's code in between GCC 12 sees uninitialised members in std::regex (its bug 105562) and
    # Asio's coroutine frames freed by another function than allocated them. Builds without it keep both warnings.
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>
                        $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
  endif()
endif()

find_program(CCE_CCACHE ccache)
if(CCE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCE_CCACHE})
endif()
find_program(CCE_MOLD mold)
if(CCE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
