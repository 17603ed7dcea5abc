// What tests share: temporary directories, canvases small enough for sanitizers, and payloads whose
// every sample says which lane, frame, channel and epoch it belongs to.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/canvas.h"

namespace canvas::testing {

// Whether a sanitizer that wants terabytes of address space for itself is in this program.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

// A directory that goes with the object.
class TempDir {
 public:
  TempDir();
  explicit TempDir(const std::filesystem::path& parent);
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  std::string path(std::string_view name) const { return (path_ / name).string(); }
  const std::filesystem::path& root() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Pages of 1 s, blocks of 512 B, a few slots sized for 8 kHz stereo: megabytes, not terabytes.
CreateOptions SmallCanvas();

// The sample at (frame, channel) of a lane in an epoch: a finite float that is different for
// neighbours in each of the four, and exactly reproducible.
float Sample(std::uint32_t lane, std::int64_t frame, std::uint32_t channel,
             std::uint32_t epoch = 0);

// `frames` of such samples, interleaved.
std::vector<float> Samples(std::uint32_t lane, std::int64_t first, std::uint64_t frames,
                           std::uint32_t channels, std::uint32_t epoch = 0);

// The value, or a test failure with the error's message and an abort of the test process.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().Message();
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// The code of a failure; a test failure where it succeeded.
template <typename T>
ErrorCode CodeOf(const Result<T>& result) {
  if (result) {
    ADD_FAILURE() << "succeeded";
    return ErrorCode::kInvalidArgument;
  }
  return result.error().code();
}

// Opened for writing, without waiting for the disk at close.
Canvas OpenForWriting(const std::string& path);

// Copies a file hole for hole, over whatever is at `to`.
void CopySparse(const std::string& from, const std::string& to);

// How many locks on the file there are, of all processes (/proc/locks).
std::size_t KernelLocks(const std::string& path);

// As stat(2) counts them.
std::uint64_t AllocatedBytes(const std::string& path);

}  // namespace canvas::testing
