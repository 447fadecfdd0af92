#include "common/text/byte_source.h"

#include <zlib.h>
#include <zstd.h>

#include <fstream>
#include <vector>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t compressed_block_bytes = std::size_t{1} << 16U;

[[noreturn]] void refuse_damaged(const std::string& path, const std::string& found) {
  throw Error{.code = ErrorCode::malformed_file,
              .where = path,
              .found = found,
              .expected = "a whole compressed file",
              .remedy = "Download or compress it again"};
}

class PlainBytes final : public ByteSource {
 public:
  explicit PlainBytes(const std::string& path) : path_(path), stream_(path, std::ios::binary) {
    if (stream_) return;
    throw Error{.code = ErrorCode::missing_file,
                .where = path,
                .found = "a file that cannot be opened",
                .expected = "a text that may be read",
                .remedy = "Check the path and its permissions"};
  }

  std::size_t read(std::span<char> block) override {
    stream_.read(block.data(), static_cast<std::streamsize>(block.size()));
    if (stream_.bad()) {
      throw Error{.code = ErrorCode::io_failure,
                  .where = path_,
                  .found = "an error while reading",
                  .expected = "a file that can be read to its end",
                  .remedy = "Check the disk"};
    }
    return static_cast<std::size_t>(stream_.gcount());
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::ifstream stream_;
};

/// Any number of gzip members, one after another.
class GzipBytes final : public ByteSource {
 public:
  explicit GzipBytes(const std::string& path) : file_(path), input_(compressed_block_bytes) {
    constexpr int gzip_window_bits = 15 + 16;
    if (inflateInit2(&stream_, gzip_window_bits) != Z_OK) throw std::bad_alloc();
  }
  ~GzipBytes() override { inflateEnd(&stream_); }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

  std::size_t read(std::span<char> block) override {
    stream_.next_out = reinterpret_cast<Bytef*>(block.data());
    stream_.avail_out = static_cast<uInt>(block.size());
    while (stream_.avail_out > 0) {
      if (stream_.avail_in == 0) {
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(file_.read(input_));
        if (stream_.avail_in == 0) {
          if (inside_) refuse_damaged(file_.path(), "gzip data that ends early");
          break;
        }
      }
      inside_ = true;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        inside_ = false;
        inflateReset(&stream_);
      } else if (status != Z_OK) {
        refuse_damaged(file_.path(), stream_.msg != nullptr ? stream_.msg : "damaged gzip data");
      }
    }
    return block.size() - stream_.avail_out;
  }

 private:
  PlainBytes file_;
  std::vector<char> input_;
  z_stream stream_{};
  bool inside_ = false;  ///< of a member
};

/// Any number of zstd frames, one after another.
class ZstdBytes final : public ByteSource {
 public:
  explicit ZstdBytes(const std::string& path)
      : file_(path), input_(compressed_block_bytes), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }
  ~ZstdBytes() override { ZSTD_freeDStream(stream_); }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;

  std::size_t read(std::span<char> block) override {
    ZSTD_outBuffer output{block.data(), block.size(), 0};
    while (output.pos < output.size) {
      if (taken_.pos == taken_.size && !flushing_) {
        taken_ = {input_.data(), file_.read(input_), 0};
        if (taken_.size == 0) {
          if (wanted_ != 0) refuse_damaged(file_.path(), "zstd data that ends early");
          break;
        }
      }
      const std::size_t before = output.pos;
      const std::size_t consumed = taken_.pos;
      wanted_ = ZSTD_decompressStream(stream_, &output, &taken_);
      if (ZSTD_isError(wanted_) != 0) refuse_damaged(file_.path(), ZSTD_getErrorName(wanted_));
      // A full block may leave more of the same input inside of the decoder.
      flushing_ = output.pos == output.size && wanted_ != 0 && (output.pos > before || taken_.pos > consumed);
    }
    return output.pos;
  }

 private:
  PlainBytes file_;
  std::vector<char> input_;
  ZSTD_DStream* stream_;
  ZSTD_inBuffer taken_{nullptr, 0, 0};
  std::size_t wanted_ = 0;  ///< what the decoder hopes for next; 0 between frames
  bool flushing_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const std::string& path, TextCompression compression) {
  if (compression == TextCompression::gzip) return std::make_unique<GzipBytes>(path);
  if (compression == TextCompression::zstd) return std::make_unique<ZstdBytes>(path);
  return std::make_unique<PlainBytes>(path);
}

}  // namespace cce
