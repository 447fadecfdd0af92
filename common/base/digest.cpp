#include "common/base/digest.h"

#include <openssl/evp.h>

#include <array>

#include "common/base/error.h"

namespace cce {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

void check(int outcome) {
  if (outcome != 1) {
    throw Error{.code = ErrorCode::io_failure,
                .where = "SHA-256",
                .found = "a failure inside OpenSSL",
                .expected = "a digest",
                .remedy = "Check that OpenSSL's default provider is installed"};
  }
}

}  // namespace

struct Digest::State {
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context{EVP_MD_CTX_new()};
};

Digest::Digest() : state_(std::make_unique<State>()) {
  check(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

void Digest::add_field(std::string_view text) {
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<std::byte>((text.size() >> (8 * i)) & 0xff);
  }
  add(length);
  add(text);
}

std::string Digest::finish_hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned int length = 0;
  check(EVP_DigestFinal_ex(state_->context.get(), raw.data(), &length));
  check(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    hex += digits[raw[i] >> 4];
    hex += digits[raw[i] & 15];
  }
  return hex;
}

std::string digest_of_bytes(std::span<const std::byte> bytes) {
  Digest digest;
  digest.add(bytes);
  return digest.finish_hex();
}

std::string digest_of_text(std::string_view text) {
  return digest_of_bytes(std::as_bytes(std::span(text)));
}

std::string digest_of_file(const FileSystem& files, const FileSystem::Path& path) {
  const MappedFile mapped = files.map_readonly(path);
  return digest_of_bytes(mapped.bytes());
}

}  // namespace cce
