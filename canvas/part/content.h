// What a lane holds, as the rest of the library asks for it: how much of a part is written, what
// changed, whether it contradicts itself, erasing a range of it, and putting right what a dead
// owner left half done. One class a content, in a folder of its own; canvas/part/contents.cc says
// which kind of lane holds which.
//
// The life of a part, its punching and its windows' locks are the same for all (part_ref.h), and so
// is what this file says: frames are positions at the lane's rate, whatever lies at them.
//
// Thread safety: immutable; each call as PartRef says.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canvas/base/error.h"
#include "canvas/base/units.h"
#include "canvas/part/part_ref.h"
#include "canvas/part/place.h"
#include "canvas/storage/canvas_file.h"
#include "canvas/storage/ownership.h"

namespace canvas::part {

// How much of a part is written. Numbers of a moment.
struct PartSummary {
  std::uint64_t written_frames = 0;  // of a content that is frames
  std::uint64_t events = 0;          // of one that is events
  std::uint64_t written_bytes = 0;
  std::uint64_t first = 0;  // first and one past the last written position, within the part; equal
  std::uint64_t end = 0;    // where nothing is written
  bool empty() const { return first == end; }
};

// What an erasure did with what was written.
struct Erased {
  std::uint64_t unwritten_frames = 0;  // unwritten now
  std::uint64_t events = 0;            // gone
  std::uint64_t zeroed_frames = 0;     // zeros now, beside others in a block
};

// What one part looked like: two of them tell what changed between. Of a part that is not there all
// is zero.
struct PartTrace {
  std::uint64_t life = 0;
  std::uint64_t low = 0;
  std::uint64_t mark = 0;
  struct Block {
    std::uint64_t number = 0;
    std::uint64_t version = 0;
    friend bool operator==(const Block&, const Block&) = default;
  };
  std::vector<Block> blocks;  // whose version is not zero, ascending
  friend bool operator==(const PartTrace&, const PartTrace&) = default;

  std::uint64_t Version(std::uint64_t block) const;
};

enum class Difference : std::uint8_t { kErased, kRewritten, kGrew };
// Called for a range of positions within the part.
using DifferenceSink = std::function<void(Difference, std::uint64_t first, std::uint64_t end)>;

// "lane 3, page 7"
std::string NameOf(const PartRef& part);

// Where a check tells what it meets.
class CheckLog {
 public:
  CheckLog() = default;
  CheckLog(const CheckLog&) = delete;
  CheckLog& operator=(const CheckLog&) = delete;
  virtual ~CheckLog() = default;

  // A contradiction; and what is as it may be, and worth a word.
  template <typename... Args>
  void Finding(fmt::format_string<Args...> text, Args&&... args) {
    AddFinding(fmt::format(text, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Note(fmt::format_string<Args...> text, Args&&... args) {
    AddNote(fmt::format(text, std::forward<Args>(args)...));
  }
  // Written blocks that were looked at.
  virtual void CountBlocks(std::uint64_t blocks) = 0;
  // Whether somebody is, or was, writing to the part; or `half_done` has become false meanwhile.
  virtual bool Accounted(const PartRef& part, const std::function<bool()>& half_done) = 0;

 private:
  virtual void AddFinding(std::string text) = 0;
  virtual void AddNote(std::string text) = 0;
};

class Content {
 public:
  Content() = default;
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  virtual ~Content() = default;

  virtual const LanePlace& place() const = 0;
  PartRef Part(const storage::CanvasFile& file, PageIndex page) const {
    return {file, place(), page};
  }

  // Nothing where there is no part.
  virtual std::optional<PartSummary> Summarize(const PartRef& part) const noexcept = 0;
  // Asks the disk for what Summarize will look at, besides the part's controls.
  virtual void WillSummarize(const PartRef& part) const noexcept = 0;

  // Owner, of a part that has something outside of [first, end) too: makes what is written of the
  // range unwritten. Errors: kBusy (a window holds the page), kNoSpace, kIo.
  virtual Result<Erased> Erase(storage::CanvasFile& file, PageIndex page,
                               const storage::Ownership& owner, std::uint64_t first,
                               std::uint64_t end) const = 0;

  // Puts right what a dead owner's intent says it was in the midst of.
  Result<void> Repair(const PartRef& part, const storage::Intent& intent) const;

  // Looks a part that is there over.
  virtual void Check(const PartRef& part, const FoundPart& found, CheckLog& log) const = 0;

  // Nothing where the part comes and goes under our eyes.
  virtual std::optional<PartTrace> Trace(const PartRef& part) const = 0;
  virtual void Compare(const PartTrace& before, const PartTrace& now,
                       const DifferenceSink& emit) const = 0;

 private:
  // Repair, behind BeginRepair.
  virtual Result<void> PutRight(const PartRef& part, const storage::Intent& intent) const = 0;
};

}  // namespace canvas::part
