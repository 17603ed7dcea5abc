// What reads answer: a status, and frames looked at in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "canvas/base/units.h"

namespace canvas {

struct ReadResult;
class View;

// What readers are inside. Not for users.
namespace reading {
struct Anywhere;
struct InWindow;
struct Inside;
template <typename Source>
class FrameReader;
template <typename Source>
ReadResult ReadFrames(std::byte* inside, Frame first, std::span<float> out) noexcept;
template <typename Source>
View ViewFrames(std::byte* inside, Frame first, std::uint64_t max_frames) noexcept;
}  // namespace reading

// What is written is known by the block (32 KiB by default), and to the frame where a page's part
// begins and ends: frames that were left out between others within a block are written, as zeros.
enum class ReadStatus : std::uint8_t {
  kOk,               // every frame was written
  kPartlyUnwritten,  // some were; the others are zeros
  kUnwritten,        // none was; all zeros
  kOutside,          // some lies outside the reader's window, and was not looked at: zeros there
  kRaced,            // a block kept changing under the copy; try again. Zeros there
  kEnd,     // some lies before 0, past the capacity, or past the mapping limit: zeros there
  kClosed,  // the reader was moved from, or belongs to the parent of a forked process; nothing was
            // copied
};

struct ReadResult {
  ReadStatus status = ReadStatus::kOk;
  std::uint64_t written_frames = 0;  // of those asked for

  friend bool operator==(const ReadResult&, const ReadResult&) = default;
};

// Frames of one page's part in place, in the file's own memory: `frames` x `channels` float32,
// interleaved. What was read through it counts only if StillValid() answers true afterwards.
//
// A guard: in a window it keeps what it covers resident until it goes, or until its reader's next
// call (Read, ViewAt, Visit). It must not outlive its reader.
//
// Concurrency: it belongs to the thread of its reader. After a move it is empty, with kEnd.
// Realtime: every call, of a view in a window; wait-free, no syscall. Of a LaneReader's, touching
// the samples may fault.
class View {
 public:
  View() = default;
  View(View&& other) noexcept { *this = std::move(other); }
  View& operator=(View&& other) noexcept {
    if (this == &other) return *this;
    if (seat_ != nullptr) LookAway();
    samples_ = std::exchange(other.samples_, {});
    frames_ = std::exchange(other.frames_, 0);
    status_ = std::exchange(other.status_, ReadStatus::kEnd);
    life_ = other.life_;
    sequence_ = other.sequence_;
    words_ = std::exchange(other.words_, {});
    seat_ = std::exchange(other.seat_, nullptr);
    look_ = other.look_;
    return *this;
  }
  ~View() {
    if (seat_ != nullptr) LookAway();
  }

  // Starts at the frame that was asked for; ends at the page, at the first unwritten block, at the
  // high-water mark, at a block that is being rewritten, or where the reader's window ends. Empty
  // where there is nothing. The memory stays mapped for the life of the reader's canvas.
  std::span<const float> samples() const { return samples_; }
  std::uint64_t frames() const { return frames_; }

  // kOk; or, of an empty view, why there is nothing at its first frame: kUnwritten, kOutside,
  // kRaced (it is being rewritten just now), kEnd, kClosed (of a reader that was moved from; in a
  // forked child a view is empty, and any of these).
  ReadStatus status() const { return status_; }

  // Whether nothing of the part was overwritten, erased or punched since the view was opened.
  bool StillValid() const noexcept;

 private:
  template <typename Source>
  friend class reading::FrameReader;
  template <typename Source>
  friend View reading::ViewFrames(std::byte*, Frame, std::uint64_t) noexcept;

  // Unless the reader looks elsewhere by now.
  void LookAway() noexcept;

  std::span<const float> samples_;
  std::uint64_t frames_ = 0;
  ReadStatus status_ = ReadStatus::kEnd;
  std::uint64_t life_ = 0;
  std::uint64_t sequence_ = 0;
  // Shared words; canvas/api/frame_reader.cc knows their type.
  struct Words {
    const void* sequence = nullptr;
    const void* life = nullptr;
  };
  Words words_;
  void* seat_ = nullptr;  // in a window: the reader's, and what it said when this was opened
  std::uint64_t look_ = 0;
};

namespace reading {

// Of either reader.
template <typename Reader, typename Fn>
ReadStatus Visit(Reader& reader, Frame first, std::uint64_t frames, Fn&& visit) {
  while (frames != 0) {
    const View view = reader.ViewAt(first, frames);
    if (view.frames() == 0) return view.status();
    visit(first, view.samples());
    if (!view.StillValid()) return ReadStatus::kRaced;
    first = first + static_cast<std::int64_t>(view.frames());
    frames -= view.frames();
  }
  return ReadStatus::kOk;
}

}  // namespace reading
}  // namespace canvas
