// What the rigs share: processes of this very program in another role, payloads that say what they
// are, and arguments.
//
// Thread safety: one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"

namespace canvas::stress {

// Arguments: --name=value; numbers with a default. Unknown ones end the program with a usage line.
class Arguments {
 public:
  // `defaults` names every argument there is.
  Arguments(int argc, char** argv, std::map<std::string, std::string> defaults);
  std::int64_t Number(const std::string& name) const;
  const std::string& Text(const std::string& name) const;

 private:
  std::map<std::string, std::string> values_;
};

// The seed to use: what --seed says, or a new one; printed.
std::uint32_t ChooseSeed(const Arguments& arguments);

// This program again, with these arguments, by posix_spawn. Pipes: `to` the child's standard input,
// `from` its standard output.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments);
  Child(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // Kills it where it still runs.
  ~Child();

  pid_t pid() const { return pid_; }
  void Tell(char what) const;
  // The next byte it says; nothing when it has ended.
  std::optional<char> Hear() const;
  // All that it says until it ends.
  std::string HearAll() const;
  void Kill() const;
  // Exit code, or 128 + signal.
  int Wait();

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

// For a child: a byte to and from its parent.
void Say(char what);
std::optional<char> Listen();

// A frame of two samples that says which frame, lane and epoch it is: whole numbers below 2^24,
// which float32 holds exactly.
struct Stamp {
  std::int64_t frame = 0;   // modulo 2^24
  std::uint32_t lane = 0;   // below 32
  std::uint32_t epoch = 0;  // 1 to 2^19 - 1
  friend bool operator==(const Stamp&, const Stamp&) = default;
};
inline constexpr std::uint32_t kMaxEpoch = (std::uint32_t{1} << 19) - 1;

std::vector<float> Stamped(std::uint32_t lane, std::int64_t first, std::uint64_t frames,
                           std::uint32_t epoch);
// Nothing, where the two samples are no stamp.
std::optional<Stamp> ReadStamp(const float* frame);

// The epoch of frames [first, first + samples / 2) of a lane, if they are all of one; otherwise
// what is wrong.
struct Epoch {
  std::uint32_t epoch = 0;
  std::string wrong;
};
Epoch EpochOf(std::span<const float> samples, std::uint32_t lane, std::int64_t first);

// Pages of 1 s at 8 kHz, blocks of 64 stereo frames.
inline constexpr std::int64_t kPageFrames = 8000;
inline constexpr std::int64_t kBlockFrames = 64;

// Numbers from a seed.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  // Below `limit`.
  std::int64_t Below(std::int64_t limit) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(limit));
  }
  bool OneIn(std::int64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

// Nanoseconds of the clock that all processes share.
std::int64_t Now();

// Prints and ends the process: a child's way to say that what it saw is against the promises.
[[noreturn]] void Broken(const std::string& what);

// The value, or the end.
template <typename T>
T Must(Result<T> result) {
  if (!result) Broken(result.error().Message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace canvas::stress
