#include "canvas/testing/testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace canvas::testing {
namespace {

std::uint64_t Mix(
    std::uint64_t x) {  // splitmix64's finalizer: every input bit reaches every output bit
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9;
  x ^= x >> 27;
  x *= 0x94D049BB133111EB;
  return x ^ x >> 31;
}

}  // namespace

TempDir::TempDir() : TempDir(std::filesystem::path(::testing::TempDir())) {}

TempDir::TempDir(const std::filesystem::path& parent) {
  std::string name = (parent / "canvas-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

CreateOptions SmallCanvas() {
  CreateOptions options;
  options.rate = Rate{8000, 1};
  options.page_seconds = 1;
  options.slots = 8;
  options.small_slots = 4;
  options.capacity_seconds = 100;
  options.block_bytes = 512;
  options.extent_bytes = 4096;
  options.slot_align_bytes = 4096;
  options.small_slot_bytes = 16 * 1024;
  options.header_place_bytes = 64 * 1024;
  return options;
}

float Sample(std::uint32_t lane, std::int64_t frame, std::uint32_t channel, std::uint32_t epoch) {
  const std::uint64_t key = static_cast<std::uint64_t>(frame) * 1024 + channel;
  const std::uint64_t mixed = Mix(Mix(key + 1) ^ (std::uint64_t{lane} << 32 | epoch));
  // 23 bits in (0, 1]: never zero, so silence is never mistaken for a payload.
  return static_cast<float>((mixed >> 41) + 1) / 8388608.0F;
}

std::vector<float> Samples(std::uint32_t lane, std::int64_t first, std::uint64_t frames,
                           std::uint32_t channels, std::uint32_t epoch) {
  std::vector<float> samples;
  samples.reserve(frames * channels);
  for (std::uint64_t frame = 0; frame < frames; ++frame)
    for (std::uint32_t channel = 0; channel < channels; ++channel)
      samples.push_back(Sample(lane, first + static_cast<std::int64_t>(frame), channel, epoch));
  return samples;
}

Canvas OpenForWriting(const std::string& path) {
  return Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
}

void CopySparse(const std::string& from, const std::string& to) {
  const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (in < 0 || out < 0) std::abort();
  const off_t size = lseek(in, 0, SEEK_END);
  std::vector<char> bytes;
  for (off_t at = lseek(in, 0, SEEK_DATA); at >= 0 && at < size;) {
    const off_t hole = lseek(in, at, SEEK_HOLE);
    bytes.resize(static_cast<std::size_t>(hole - at));
    if (pread(in, bytes.data(), bytes.size(), at) != hole - at ||
        pwrite(out, bytes.data(), bytes.size(), at) != hole - at)
      std::abort();
    at = lseek(in, hole, SEEK_DATA);
  }
  if (ftruncate(out, size) != 0) std::abort();
  close(in);
  close(out);
}

std::size_t KernelLocks(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) std::abort();
  // "1: OFDLCK ADVISORY  WRITE -1 08:01:12345 ...": device and inode in the middle.
  char file[64];
  std::snprintf(file, sizeof file, "%02x:%02x:%lu ", major(status.st_dev), minor(status.st_dev),
                status.st_ino);
  std::ifstream locks("/proc/locks");
  std::string line;
  std::size_t count = 0;
  while (std::getline(locks, line))
    if (line.find(file) != std::string::npos) ++count;
  return count;
}

std::uint64_t AllocatedBytes(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) std::abort();
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace canvas::testing
