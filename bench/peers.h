// What people would use instead: each peer holds the same frames in its own format, and reads a
// block of them the fastest way its documentation gives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

// Stereo float32 frames of a few lanes, as a peer is given them.
struct Source {
  int lanes = 0;
  std::int64_t frames = 0;  // of each
  // Frames [first, first + out.size() / 2) of a lane.
  std::function<void(int lane, std::int64_t first, std::span<float> out)> fill;
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::string name() const = 0;
  // Frames [at, at + frames) of a lane, into `out`; `at` is a multiple of `frames`. Called once
  // beforehand with each size that will be read, to prepare for it.
  virtual void Prepare(std::int64_t frames) = 0;
  virtual void Read(int lane, std::int64_t at, std::int64_t frames, float* out) = 0;
};

// All that are installed, their files under `directory`; those that are not are named in `missing`.
std::vector<std::unique_ptr<Peer>> MakePeers(const std::string& directory, const Source& source,
                                             std::vector<std::string>& missing);

}  // namespace bench
