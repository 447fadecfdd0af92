# Headers that nearly every test reads are parsed once. Every file still includes what it uses: the preset asan-ubsan
# builds without them. Product code is compiled without: GCC 12 at -O3 then warns of code inside the standard library.
option(CCE_PRECOMPILED_HEADERS "Parse the tests' common headers once" ON)
set(CCE_COMMON_HEADERS <algorithm> <cstdint> <filesystem> <functional> <map> <memory> <optional> <set> <span> <sstream>
    <string> <string_view> <utility> <vector> <nlohmann/json.hpp>)

if(CCE_PRECOMPILED_HEADERS AND CCE_CCACHE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # What ccache must be told to take results that were compiled with such a header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCE_CCACHE})
endif()

# cce_precompile(TARGET [HEADERS...]): the common headers and those named, for TARGET's own files.
function(cce_precompile target)
  if(CCE_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} PRIVATE ${CCE_COMMON_HEADERS} ${ARGN})
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # lets ccache see what the header holds
  endif()
endfunction()

# cce_reuse_precompiled(TARGET OTHER): what OTHER parsed; both must be compiled with the same options.
function(cce_reuse_precompiled target other)
  if(CCE_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} REUSE_FROM ${other})
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()
