// Reading a lane: frames copied into the caller's memory, or looked at in place.
//
// A reader writes nothing, waits for nobody, and is not stopped by writers that die. What was never
// written reads as zeros with a status that tells it from silence, and no byte of it is touched.
//
// A LaneReader, made by Canvas::Reader, reads everywhere; its reads may fault and ask the kernel.
// For realtime threads there is WindowReader (window_reader.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/api/view.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas {

// Concurrency: one thread at a time; make one for each thread. Beside any writer.
// Realtime: no call is for a realtime thread, but for lane.
class LaneReader {
 public:
  // One that was moved from answers kClosed to every read, and says that nothing is written.
  LaneReader(LaneReader&& other) noexcept;
  LaneReader& operator=(LaneReader&& other) noexcept;
  ~LaneReader();

  const LaneInfo& lane() const noexcept;

  // Copies frames [first, first + out.size() / channels) to `out`, interleaved; `out` is a whole
  // number of frames (a rest is left as it is). Across blocks and pages; each block is of one
  // version, the range as a whole need not be. Never answers kOutside.
  // Concurrency: beside any writer. Wait-free but for the kernel: bounded copies a block.
  // Realtime: no. It takes no lock and allocates nothing; a page beyond the known end of the file
  // costs one fstat, reading on in order one preadv2 a megabyte, and an madvise where it is not in
  // memory; memory that is not resident faults.
  ReadResult Read(Frame first, std::span<float> out) noexcept {
    return reading::ReadFrames<reading::Anywhere>(inside_, first, out);
  }

  // Looks at frames from `first` on in place, at most `max_frames` of them.
  // Concurrency, realtime: as Read; the cost grows with the number of blocks spanned, not with
  // their bytes.
  View ViewAt(Frame first, std::uint64_t max_frames) noexcept {
    return reading::ViewFrames<reading::Anywhere>(inside_, first, max_frames);
  }

  // Calls visit(Frame, std::span<const float>) for the frames [first, first + frames) in place, in
  // order, a stretch at a time (the page's, mostly). Answers kOk where all of them were visited and
  // none was changed meanwhile; otherwise why it ended: kRaced (what the last call saw does not
  // count), or the status of the first frame that was not visited.
  // Concurrency, realtime: as ViewAt, and of what `visit` does.
  template <typename Fn>
  ReadStatus Visit(Frame first, std::uint64_t frames, Fn&& visit) {
    return reading::Visit(*this, first, frames, std::forward<Fn>(visit));
  }

  // Takes the range's memory out of this process's page tables: for a caller that reads through
  // much and keeps little. It is read again where it is needed. Not beside a window.
  // Realtime: no.
  void Forget(FrameRange range) const noexcept;

  // How much is written; looks at every page.
  // Concurrency: beside any writer; numbers of a moment. Realtime: no.
  LaneExtent Extent() const noexcept;
  // The written stretches of [first, end), ascending.
  // Errors: kClosed, kNoMemory. Concurrency, realtime: as Extent.
  Result<std::vector<FrameRange>> WrittenRanges(FrameRange range) const;

 private:
  friend class Canvas;
  friend struct reading::Inside;
  explicit LaneReader(reading::FrameReader<reading::Anywhere>&& reader) noexcept;
  // The reader itself lies in here, so that a read goes through no pointer to it.
  static constexpr std::size_t kInsideBytes = 576;
  alignas(64) std::byte inside_[kInsideBytes];
};

}  // namespace canvas
