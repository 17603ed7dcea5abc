#include "canvas/api/window_reader.h"

#include <algorithm>

#include "canvas/api/frame_reader.h"

namespace canvas {

WindowReaders::WindowReaders(std::vector<WindowReader> readers, Rate clock)
    : readers_(std::move(readers)), results_(readers_.size()), clock_(clock) {
  for (const WindowReader& reader : readers_) lanes_.push_back({reader.lane().rate, Frame(0)});
}

// After a pause nothing of this is in the processor's caches. What one lane's read waits for one
// after the other is sent for of all lanes at a time: the readers, then what each of them looks at,
// then the copies.
ReadStatus WindowReaders::Read(Frame position, std::span<const std::span<float>> outs) noexcept {
  if (readers_.empty()) return outs.empty() ? ReadStatus::kOk : ReadStatus::kClosed;
  const std::size_t lanes = std::min(outs.size(), readers_.size());
  for (std::size_t i = 0; i < lanes; ++i) reading::Inside::Of(readers_[i]).PrefetchSelf();
  for (std::size_t i = 0; i < lanes; ++i) {
    Lane& lane = lanes_[i];
    lane.at = lane.rate == clock_ ? position : ToRate(position, clock_, lane.rate);
    reading::Inside::Of(readers_[i]).Prefetch(lane.at, outs[i].size_bytes());
  }
  auto status = ReadStatus::kOk;
  for (std::size_t i = lanes; i < readers_.size(); ++i) results_[i] = {};
  for (std::size_t i = 0; i < lanes; ++i) {
    results_[i] = outs[i].empty() ? ReadResult{} : readers_[i].Read(lanes_[i].at, outs[i]);
    if (status == ReadStatus::kOk) status = results_[i].status;
  }
  return status;
}

}  // namespace canvas
