// Reading a lane: frames copied into the caller's memory, or looked at in place.
//
// A reader writes nothing, waits for nobody, and is not stopped by writers that die. What was never
// written reads as zeros with a status that tells it from silence, and no byte of it is touched.
//
// Thread safety: a reader belongs to one thread at a time; make one for each thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/base/units.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/part.h"

namespace canvas {

enum class ReadStatus : std::uint8_t {
  kOk,               // every frame was written
  kPartlyUnwritten,  // some were; the others are zeros
  kUnwritten,        // none was; all zeros
  kRaced,            // a block kept changing under the copy; try again. The output is zeros there
  kClosed,           // the reader belongs to the parent of a forked process
  kOutOfRange,       // negative, past the capacity, or past the mapping limit; nothing was copied
};

struct ReadResult {
  ReadStatus status = ReadStatus::kOk;
  std::uint64_t written_frames = 0;  // of those asked for

  friend bool operator==(const ReadResult&, const ReadResult&) = default;
};

// Frames of one page's part in place, in the file's own memory: `frames` x `channels` float32,
// interleaved. What was read through it counts only if StillValid() answers true afterwards.
class View {
 public:
  View() = default;

  // Starts at the frame that was asked for; ends at the page, at the first unwritten block, at the
  // high-water mark, or at a block that is being rewritten. Empty where there is nothing.
  // The memory stays mapped for the life of the reader's canvas.
  std::span<const float> samples() const { return samples_; }
  std::uint64_t frames() const { return frames_; }

  // Whether nothing of the part was overwritten or punched since the view was opened. Wait-free.
  bool StillValid() const noexcept;

 private:
  friend class LaneReader;
  std::span<const float> samples_;
  std::uint64_t frames_ = 0;
  std::uint64_t life_ = 0;
  std::uint64_t sequence_ = 0;
  storage::PartWords words_;
};

class LaneReader {
 public:
  const LaneInfo& lane() const { return info_; }

  // Copies frames [first, first + out.size() / channels) to `out`, interleaved; `out` is a whole
  // number of frames (a rest is left as it is). Across blocks and pages; each block is of one
  // version, the range as a whole need not be.
  // Concurrency: beside any writer.
  // Realtime: no allocation, no lock; bounded copies a block. A page beyond the known end of the
  // file costs one fstat; reading on in order costs one preadv2 a megabyte, and an madvise where
  // it is not in memory; memory that is not resident faults.
  ReadResult Read(Frame first, std::span<float> out) noexcept;

  // Looks at frames from `first` on in place, at most `max_frames` of them.
  // Realtime: as Read; the cost grows with the number of blocks spanned, not with their bytes.
  View ViewAt(Frame first, std::uint64_t max_frames) noexcept;

  // How much is written; looks at every page. Not for a realtime thread.
  LaneExtent Extent() const;
  // The written stretches of [first, end), ascending. Not for a realtime thread.
  std::vector<FrameRange> WrittenRanges(FrameRange range) const;

 private:
  friend class Canvas;
  LaneReader(std::shared_ptr<storage::CanvasFile> file, const storage::LanePlace& place,
             LaneInfo info);
  // Divisions, or shifts where the divisor is a power of two.
  std::uint64_t FramesOf(std::size_t samples) const {
    return channels_shift_ >= 0 ? samples >> channels_shift_ : samples / channels_;
  }
  std::uint64_t BlockOf(std::uint64_t local) const {
    return per_block_shift_ >= 0 ? local >> per_block_shift_ : local / per_block_;
  }
  ReadResult ReadAcross(Frame first, std::span<float> out) noexcept;
  bool Enter(Frame frame) noexcept;
  void ReadAhead(std::uint64_t local) noexcept;
  ReadStatus CopyRun(std::uint64_t local, std::uint64_t frames, float* out,
                     std::uint64_t& written) noexcept;

  std::shared_ptr<storage::CanvasFile> file_;
  storage::LanePlace place_;
  LaneInfo info_;
  std::uint32_t channels_;
  std::uint32_t frame_bytes_;
  std::uint32_t per_block_;
  int per_block_shift_;  // log2 where it is a power of two, or -1; likewise:
  int channels_shift_;
  Frame end_;  // of what this handle can reach

  // The page this reader is in.
  Frame page_first_;
  Frame page_end_;  // == page_first_: none yet
  PageIndex page_;
  bool present_ = false;
  storage::FoundPart part_;

  // Where a read would go on from the last one that crossed a block, and how far into the part the
  // kernel was asked to read ahead.
  Frame next_;
  std::uint64_t ahead_ = 0;
};

}  // namespace canvas
