// Reading inside a window, for realtime threads: the type carries the promise. No call here makes a
// syscall, allocates, takes a lock or meets a page fault; each touches only memory that the window
// has made resident, besides the reader's own and a few lines of the window's (ordinary memory of
// the process, which a fork() makes fault once at the next store). What they do is bounded: for
// each block a few loads and at most four copies (canvas/sync/overwrite.h), and a few more loads
// for each page.
//
// What lies outside the window, or was written after the window last looked, reads as kOutside:
// zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "canvas/api/lane.h"
#include "canvas/api/view.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"

namespace canvas {

// Concurrency: one thread at a time; make one for each thread. Beside any writer, and beside
// whoever moves the window.
// Realtime: every call, wait-free; moving and ending one is not.
class WindowReader {
 public:
  // One that was moved from answers kClosed to every read.
  WindowReader(WindowReader&& other) noexcept;
  WindowReader& operator=(WindowReader&& other) noexcept;
  ~WindowReader();

  const LaneInfo& lane() const noexcept;

  // As LaneReader::Read, inside the window. Ends the view before.
  ReadResult Read(Frame first, std::span<float> out) noexcept {
    return reading::ReadFrames<reading::InWindow>(inside_, first, out);
  }

  // As LaneReader::ViewAt and Visit. The window keeps what a view covers until it goes, or until
  // this reader's next call.
  // Realtime: yes; of Visit, if `visit` is.
  View ViewAt(Frame first, std::uint64_t max_frames) noexcept {
    return reading::ViewFrames<reading::InWindow>(inside_, first, max_frames);
  }
  template <typename Fn>
  ReadStatus Visit(Frame first, std::uint64_t frames, Fn&& visit) {
    return reading::Visit(*this, first, frames, std::forward<Fn>(visit));
  }

 private:
  friend class Window;
  friend class WindowReaders;
  friend struct reading::Inside;
  explicit WindowReader(reading::FrameReader<reading::InWindow>&& reader) noexcept;
  // The reader itself lies in here, so that a read goes through no pointer to it.
  static constexpr std::size_t kInsideBytes = 576;
  alignas(64) std::byte inside_[kInsideBytes];
};

// Readers of several lanes of one window, for a callback that reads all of them at one position:
// what each read begins with is sent for before the first of them is copied, so that they wait for
// memory together and not one after the other.
//
// Concurrency: one thread at a time, as a WindowReader.
// Realtime: every call, wait-free; moving and ending one is not.
class WindowReaders {
 public:
  WindowReaders(WindowReaders&&) noexcept = default;
  WindowReaders& operator=(WindowReaders&&) noexcept = default;

  std::size_t size() const { return readers_.size(); }
  WindowReader& operator[](std::size_t index) { return readers_[index]; }

  // Reads outs[i].size() / channels frames of lane i, from `position` on, which counts at the
  // window's clock: of a lane at another rate, from the frame that sounds then. An empty span, or
  // none, leaves its lane out. Answers the first status that is not kOk, by lane, kClosed after a
  // move; `results` has each lane's, kOk of one that was left out.
  ReadStatus Read(Frame position, std::span<const std::span<float>> outs) noexcept;
  std::span<const ReadResult> results() const { return results_; }

 private:
  friend class Window;
  WindowReaders(std::vector<WindowReader> readers, Rate clock);
  std::vector<WindowReader> readers_;
  std::vector<ReadResult> results_;
  // What is needed of each before its reader is looked at.
  struct Lane {
    Rate rate;
    Frame at;
  };
  std::vector<Lane> lanes_;
  Rate clock_;
};

}  // namespace canvas
