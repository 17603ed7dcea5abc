// Latencies by their size: 32 buckets an octave, so a percentile is right to three per cent. All of
// it is touched when it is made; adding to it is an increment.
//
// The idea is Gil Tene's HdrHistogram (https://hdrhistogram.github.io/HdrHistogram/).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  void Add(std::uint64_t value) {
    ++counts_[Bucket(value)];
    ++total_;
    if (value > max_) max_ = value;
  }

  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }

  // The value that a share of all (0.99, say) does not exceed: the middle of its bucket.
  double Percentile(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen > rank) return Middle(bucket);
    }
    return static_cast<double>(max_);
  }

 private:
  static constexpr int kBits = 5;
  static constexpr std::uint64_t kLinear = std::uint64_t{2} << kBits;

  // Below kLinear a bucket each; above, the octave and the kBits bits behind its first.
  static std::size_t Bucket(std::uint64_t value) {
    if (value < kLinear) return value;
    const int octave = static_cast<int>(std::bit_width(value)) - 1 - kBits;
    return static_cast<std::size_t>(octave) * (kLinear / 2) +
           static_cast<std::size_t>(value >> octave);
  }
  static double Middle(std::size_t bucket) {
    if (bucket < kLinear) return static_cast<double>(bucket);
    const auto octave = static_cast<int>(bucket / (kLinear / 2)) - 1;
    const std::uint64_t low = (bucket - static_cast<std::size_t>(octave) * (kLinear / 2)) << octave;
    return static_cast<double>(low) + static_cast<double>(std::uint64_t{1} << octave) / 2;
  }

  std::array<std::uint64_t, (64 - kBits + 1) * kLinear / 2> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace bench
