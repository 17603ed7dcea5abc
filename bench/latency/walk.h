// In which order a contender reads.
#pragma once

#include <cstdint>
#include <memory>

namespace bench {

// One block after the other, round-robin over the lanes; goes on where it ended. Or at random.
class Walk {
 public:
  Walk(int lanes, std::int64_t frames, std::int64_t span, bool random = false)
      : lanes_(lanes), frames_(frames), span_(span / lanes / frames * frames), random_(random) {}

  // Begins at part i of n.
  Walk From(std::int64_t i, std::int64_t n) const {
    Walk walk = *this;
    walk.at_ = span_ / frames_ * i / n * frames_;
    return walk;
  }

  template <typename Read>
  void operator()(Read& read) {
    read(lane_, at_);
    if (++lane_ < lanes_) return;
    lane_ = 0;
    if (random_) {
      state_ ^= state_ << 13;
      state_ ^= state_ >> 7;
      state_ ^= state_ << 17;
      at_ =
          static_cast<std::int64_t>(state_ % static_cast<std::uint64_t>(span_ / frames_)) * frames_;
    } else {
      at_ += frames_;
      if (at_ >= span_) at_ = 0;
    }
  }

 private:
  int lanes_;
  std::int64_t frames_;
  std::int64_t span_;
  bool random_;
  int lane_ = 0;
  std::int64_t at_ = 0;
  std::uint64_t state_ = 88172645463325252;
};

using SharedWalk = std::shared_ptr<Walk>;
inline SharedWalk MakeWalk(int lanes, std::int64_t frames, std::int64_t span, bool random = false) {
  return std::make_shared<Walk>(lanes, frames, span, random);
}

}  // namespace bench
