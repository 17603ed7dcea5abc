// What a LaneReader and a WindowReader have in common: reading a lane's frames, from wherever a
// page of it may be looked at. Not for users.
//
// One template over a page source, which says whether a page, a block and an undo place may be
// touched:
//   Anywhere   all that the file holds, found in it
//   InWindow   what the window shows, while the reader's seat says that it looks there
//              (sync/window.h)
//
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "canvas/api/lane.h"
#include "canvas/api/lane_reader.h"
#include "canvas/api/view.h"
#include "canvas/api/window_reader.h"
#include "canvas/base/divider.h"
#include "canvas/base/units.h"
#include "canvas/part/frames/frame_part.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/sync/overwrite.h"

namespace canvas {

class WindowCore;
class WindowLane;
struct WindowPlace;
struct WindowSeat;

namespace reading {

struct Anywhere {
  static constexpr bool kInWindow = false;
  // Where a read would go on from the last one that crossed a block, and how far into the part the
  // kernel was asked to read ahead.
  Frame next;
  std::uint64_t ahead = 0;
};

struct InWindow {
  static constexpr bool kInWindow = true;
  struct LeaveSeat {
    std::shared_ptr<WindowCore> window;
    void operator()(WindowSeat* left) const noexcept;
  };
  // The page's.
  WindowPlace* place = nullptr;
  const sync::Word* shown = nullptr;
  // What says where this reader looks; nullptr after a move.
  std::unique_ptr<WindowSeat, LeaveSeat> seat;
  WindowLane* lane = nullptr;
};

template <typename Source>
class FrameReader {
 public:
  FrameReader(std::shared_ptr<storage::CanvasFile> file, const part::frames::FramePlace& place,
              LaneInfo info, Source source);
  // What is left is in no page, and reaches none.
  FrameReader(FrameReader&& other) noexcept;
  FrameReader& operator=(FrameReader&& other) noexcept;
  ~FrameReader() = default;

  const LaneInfo& lane() const { return info_; }
  const part::frames::FramePlace& place() const { return place_; }
  // nullptr after a move.
  const std::shared_ptr<storage::CanvasFile>& file() const { return file_; }
  Frame end() const { return end_; }  // of what this handle can reach

  // Has the processor load what a Read of `bytes` bytes from `first` on begins with.
  void Prefetch(Frame first, std::size_t bytes) noexcept;
  // And what that takes of this reader.
  void PrefetchSelf() const noexcept {
    for (const void* line : {static_cast<const void*>(this), static_cast<const void*>(&source_),
                             static_cast<const void*>(&part_.words.life)})
      __builtin_prefetch(line);
  }

 private:
  template <typename S>
  friend ReadResult ReadFrames(std::byte* inside, Frame first, std::span<float> out) noexcept;
  template <typename S>
  friend View ViewFrames(std::byte* inside, Frame first, std::uint64_t max_frames) noexcept;

  ReadResult ReadAcross(Frame first, std::span<float> out) noexcept;
  bool SetPage(Frame frame) noexcept;
  ReadStatus Enter(Frame frame) noexcept;
  void LookAway() noexcept;
  void ReadAhead(std::uint64_t local) noexcept;
  bool IsShown(std::uint64_t block) const noexcept;
  bool UndoIsShown() const noexcept;
  [[gnu::always_inline]] inline sync::BlockRead CopyWithin(std::uint64_t block,
                                                           std::uint64_t offset,
                                                           std::uint64_t frames,
                                                           float* out) const noexcept;
  bool CopyOverEdge(std::uint64_t block, std::uint64_t offset, std::uint64_t frames,
                    float* out) const noexcept;
  void OpenView(Frame first, std::uint64_t max_frames, View& view) noexcept;
  void CountMiss() noexcept;
  ReadStatus CopyRun(std::uint64_t local, std::uint64_t frames, float* out,
                     std::uint64_t& written) noexcept;

  // What nearly every read touches, together.
  alignas(64) Frame page_first_;  // the page this reader is in
  Frame page_end_;                // == page_first_: none yet
  Divider frames_of_;             // samples to frames
  Divider block_of_;              // frames to blocks
  std::uint32_t per_block_;
  std::uint32_t frame_bytes_;
  PageIndex page_;
  bool present_ = false;
  Source source_;
  part::FoundPart part_;

  std::shared_ptr<storage::CanvasFile> file_;
  part::frames::FramePlace place_;
  LaneInfo info_;
  std::uint32_t channels_;
  Frame end_;
};

// How a reader that users hold is one of these: in the bytes that it has for it. Its calls come
// here with no pointer and no call between (stress/budget_stress counts).
struct Inside {
  template <typename Source>
  static FrameReader<Source>& Of(std::byte* inside) noexcept {
    return *std::launder(reinterpret_cast<FrameReader<Source>*>(inside));
  }
  static FrameReader<Anywhere>& Of(LaneReader& reader) noexcept {
    return Of<Anywhere>(reader.inside_);
  }
  static const FrameReader<Anywhere>& Of(const LaneReader& reader) noexcept {
    return *std::launder(reinterpret_cast<const FrameReader<Anywhere>*>(reader.inside_));
  }
  static FrameReader<InWindow>& Of(WindowReader& reader) noexcept {
    return Of<InWindow>(reader.inside_);
  }
  static const FrameReader<InWindow>& Of(const WindowReader& reader) noexcept {
    return *std::launder(reinterpret_cast<const FrameReader<InWindow>*>(reader.inside_));
  }
  static_assert(sizeof(FrameReader<Anywhere>) == LaneReader::kInsideBytes);
  static_assert(sizeof(FrameReader<InWindow>) == WindowReader::kInsideBytes);
  static_assert(alignof(FrameReader<Anywhere>) == alignof(LaneReader));
  static_assert(alignof(FrameReader<InWindow>) == alignof(WindowReader));
};

extern template class FrameReader<Anywhere>;
extern template class FrameReader<InWindow>;

}  // namespace reading
}  // namespace canvas
