// The files that the steps of a process leave, and how to make them again.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stress/step/space.h"

namespace canvas::stress {

// What a file was after each step that changed it: the parts of it that change in the cases below,
// its size, and its space.
class Recording {
 public:
  Recording(const std::string& path, std::vector<Span> spans);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // In the signal handler: allocates nothing (room was made).
  void Look();

  std::size_t states() const { return states_.size(); }
  // Whether the file system tells what is reserved.
  bool tells() const { return tells_; }
  // Where something was stored that had no space; 0: nowhere.
  std::uint64_t unreserved() const { return unreserved_; }

  // One file to be made.
  struct File {
    const std::vector<std::vector<std::byte>>& contents;  // of the spans
    off_t size;
    std::span<const Span> space;
  };
  // Calls visit(file) for the file before the first step and for every different one after.
  template <typename Visit>
  void ForEach(Visit visit) {
    auto contents = first_;
    std::size_t line = 0;
    for (const State& state : states_) {
      for (; line < state.lines; ++line)
        std::memcpy(contents[lines_[line].span].data() + lines_[line].at, lines_[line].bytes,
                    kLine);
      const std::size_t count = space_[state.space].bytes;
      visit(File{contents, state.size, std::span(space_).subspan(state.space + 1, count)});
    }
  }
  const std::vector<Span>& spans() const { return spans_; }

 private:
  static constexpr std::uint64_t kLine = 64;
  struct Line {
    std::uint32_t span;
    std::uint32_t at;
    std::byte bytes[kLine];
  };
  struct State {
    std::size_t lines;  // so many were there
    off_t size;
    std::size_t space;  // in space_: how many, and then they
  };
  struct stat Status() const;
  // Notes what changed in a span; whether anything did.
  bool LookAtSpan(std::size_t span);
  // What lies past the end of the file may not be touched.
  bool Covered(const Span& span) const {
    return span.offset + span.bytes <= static_cast<std::uint64_t>(size_);
  }
  std::size_t NoteSpace();
  std::vector<Span> spans_;
  int fd_ = -1;
  const std::byte* base_ = nullptr;
  std::uint64_t mapped_ = 0;
  off_t size_ = 0;
  blkcnt_t blocks_ = 0;
  bool tells_ = false;
  std::uint64_t unreserved_ = 0;
  Reserved reserved_;
  std::vector<std::vector<std::byte>> now_;
  std::vector<std::vector<std::byte>> first_;
  std::vector<Line> lines_;
  std::vector<State> states_;
  std::vector<Span> space_;
};

// Makes a copy what the file was: its size, its space, and what changes in it. `spaced`: whether
// the space is known.
void Recreate(int fd, const Recording& recording, const Recording::File& file, bool spaced);

}  // namespace canvas::stress
