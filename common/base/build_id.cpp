#include "common/base/build_id.h"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace cce {
namespace {

std::string hexadecimal(std::span<const std::byte> bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += {digits[value / 16], digits[value % 16]};
  }
  return text;
}

/// The build id among the notes of a segment: {name bytes, value bytes, type}, then both padded to 4.
std::string build_id_in(std::span<const std::byte> notes) {
  constexpr std::size_t shown_bytes = 8;
  const auto padded = [](std::size_t bytes) { return (bytes + 3) / 4 * 4; };
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes.data(), sizeof header);
    const std::size_t value = sizeof header + padded(header.n_namesz);
    if (value + header.n_descsz > notes.size()) {
      break;
    }
    if (header.n_type == NT_GNU_BUILD_ID) {
      return hexadecimal(notes.subspan(value, std::min<std::size_t>(shown_bytes, header.n_descsz)));
    }
    notes = notes.subspan(std::min(notes.size(), value + padded(header.n_descsz)));
  }
  return {};
}

/// Called for each loaded object, the program first; stops there.
int look_at_program(dl_phdr_info* object, std::size_t, void* result) {
  for (const auto& segment : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    if (segment.p_type == PT_NOTE && static_cast<std::string*>(result)->empty()) {
      // NOLINTNEXTLINE: the loader gives addresses as numbers
      const auto* notes = reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr);
      *static_cast<std::string*>(result) = build_id_in({notes, segment.p_memsz});
    }
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string result;
  dl_iterate_phdr(look_at_program, &result);
  return result;
}

}  // namespace cce
