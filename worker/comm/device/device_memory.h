#pragma once
#include <cstddef>
#include <memory>
#include <span>

namespace cce {

/// Copies between a device's memory and the host's: what StagedCommunicator is built on. One thread.
/// Errors: those of the device.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  virtual ~DeviceMemory() = default;

  /// Whether `data` lies in the device's memory.
  virtual bool holds(const void* data) const = 0;
  /// Host memory that the device copies from and to at full speed. Errors: does_not_fit.
  virtual std::shared_ptr<std::byte> host_block(std::size_t bytes) = 0;
  /// Comes after all work queued so far; returns when `host` holds the bytes.
  virtual void download(std::span<const std::byte> device, std::span<std::byte> host) = 0;
  /// Comes before all work queued later; returns when `host` may be changed.
  virtual void upload(std::span<const std::byte> host, std::span<std::byte> device) = 0;
};

}  // namespace cce
