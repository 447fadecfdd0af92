#pragma once
#include <string>

namespace cce {

/// The first 16 hexadecimal digits of the build id that the linker wrote into the running program (the note
/// NT_GNU_BUILD_ID): a digest of its contents, so that two builds of other code or by another compiler
/// differ. "" where the linker wrote none.
std::string build_id();

}  // namespace cce
