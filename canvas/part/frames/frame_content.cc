#include "canvas/part/frames/frame_content.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "canvas/format/owner_table.h"
#include "canvas/format/slot_words.h"
#include "canvas/part/frames/part_writer.h"
#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"

namespace canvas::part::frames {
namespace {

bool Written(const PartTrace& trace, std::uint64_t block) {
  return format::Version::FromWord(trace.Version(block)).written;
}

// Whether the undo place holds what the block was before it changed.
bool UndoVouches(const storage::PartWords& words, std::uint64_t block) {
  std::vector<std::byte> old(words.block_stride);
  sync::StdSync::CopyOut(old.data(), words.undo, old.size());
  return format::Version::FromWord(sync::Peek(*words.undo_version)).Changing() ==
             sync::ReadVersion(words, block) &&
         UndoChecksum(old.data(), old.size()) == sync::Peek(*words.undo_checksum);
}

}  // namespace

Result<std::unique_ptr<const Content>> FrameContent::Make(const metadata::LaneRecord& lane,
                                                          const format::Geometry& geometry) {
  CANVAS_ASSIGN(const FramePlace place, FramePlace::Of(lane, geometry));
  return std::make_unique<const FrameContent>(place);
}

std::optional<PartSummary> FrameContent::Summarize(const PartRef& part) const noexcept {
  return Of(part).Summarize();
}

void FrameContent::WillSummarize(const PartRef& part) const noexcept {
  const auto found = part.Find();
  if (!found) return;
  const format::Geometry& geometry = part.file().geometry();
  const std::uint64_t per_block = place_.shape.frames_per_block();
  const std::uint64_t end = std::min(sync::ReadHighMark(found->words), part.frames());
  const std::uint64_t first = std::min(sync::ReadLowMark(found->words), end) / per_block;
  if (end != 0)
    part.file().AskFor(
        geometry.Page(part.page()).value() + geometry.Versions(place_.slots) + first * 8,
        ((end + per_block - 1) / per_block - first) * 8);
}

Result<Erased> FrameContent::Erase(storage::CanvasFile& file, PageIndex page,
                                   const storage::Ownership& owner, std::uint64_t first,
                                   std::uint64_t end) const {
  CANVAS_ASSIGN(PartWriter part, PartWriter::Open(file, place_, page, owner));
  return part.Erase(first, end);
}

Result<void> FrameContent::PutRight(const PartRef& part, const storage::Intent& intent) const {
  const storage::PartWords words = part.Words(part.file().write_base());
  if (intent.operation == format::Operation::kErase)
    sync::RepairErase(words, place_.shape.max_blocks(), part.stretches());
  std::vector<std::byte> scratch;
  return Of(part).PutBack(words, scratch);
}

void FrameContent::Check(const PartRef& part, const FoundPart& found, CheckLog& log) const {
  const storage::PartWords& words = found.words;
  const std::uint64_t mark = sync::ReadHighMark(words);
  if (mark > part.frames())
    log.Finding("{}: its high-water mark is {}, and the page has {} frames", NameOf(part), mark,
                part.frames());
  const std::uint64_t undo = sync::Peek(*words.undo_block);
  if (undo > place_.shape.max_blocks())
    log.Finding("{}: its undo place names block {}", NameOf(part), undo - 1);
  const std::uint64_t per_block = place_.shape.frames_per_block();
  const auto look = [&](std::uint64_t block) {
    const auto version = sync::ReadVersion(words, block);
    if (version.written) log.CountBlocks(1);
    if (version.changing() &&
        log.Accounted(part, [&] { return sync::ReadVersion(words, block).changing(); }))
      log.Note("{}, block {}: a rewrite is under way, or was cut short", NameOf(part), block);
    else if (version.changing() && undo == block + 1 && UndoVouches(words, block))
      log.Note(
          "{}, block {}: a rewrite was cut short, and no owner says so; it reads as it was before, "
          "and the next write to it puts it right",
          NameOf(part), block);
    else if (version.changing())
      log.Finding(
          "{}, block {}: left half rewritten, by a power loss, and cannot be read; write it again, "
          "or erase the page",
          NameOf(part), block);
    else if (version.written && block * per_block >= mark)
      log.Note("{}, block {}: written, and not yet published", NameOf(part), block);
  };
  part.file().ForEachVersionStretch(part.page(), place_.slots, 0, place_.shape.max_blocks(),
                                    [&](std::uint64_t first, std::uint64_t end) {
                                      for (std::uint64_t block = first; block < end; ++block)
                                        look(block);
                                    });
}

std::optional<PartTrace> FrameContent::Trace(const PartRef& part) const {
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    const auto found = part.Find();
    if (!found) return PartTrace();
    PartTrace trace{.life = found->life,
                    .low = 0,
                    .mark = std::min(sync::ReadHighMark(found->words), part.frames()),
                    .blocks = {}};
    trace.low = sync::ReadLowMark(found->words);
    const std::uint64_t per_block = place_.shape.frames_per_block();
    part.file().ForEachVersionStretch(
        part.page(), place_.slots, 0, (trace.mark + per_block - 1) / per_block,
        [&](std::uint64_t first, std::uint64_t end) {
          for (std::uint64_t block = first; block < end; ++block)
            if (const std::uint64_t word = sync::ReadVersion(found->words, block).ToWord();
                word != 0)
              trace.blocks.push_back({block, word});
        });
    if (sync::ReadLife(found->words) == found->life) return trace;
  }
  return std::nullopt;
}

void FrameContent::Compare(const PartTrace& before, const PartTrace& now,
                           const DifferenceSink& emit) const {
  const std::uint64_t per_block = place_.shape.frames_per_block();
  const bool same_life = before.life == now.life;
  // Readable frames of a block, as a range; empty where there are none.
  const auto readable = [&](const PartTrace& trace, std::uint64_t block) {
    if (!Written(trace, block)) return std::pair<std::uint64_t, std::uint64_t>(0, 0);
    const std::uint64_t first = std::max(block * per_block, trace.low);
    return std::pair(first, std::max(first, std::min((block + 1) * per_block, trace.mark)));
  };
  std::vector<std::uint64_t> blocks;  // of either, ascending
  for (const PartTrace* trace : {&before, &now})
    for (const auto& block : trace->blocks) blocks.push_back(block.number);
  std::ranges::sort(blocks);
  blocks.erase(std::ranges::unique(blocks).begin(), blocks.end());
  for (const Difference pass : {Difference::kErased, Difference::kRewritten, Difference::kGrew}) {
    for (const std::uint64_t block : blocks) {
      const auto [old_first, old_end] = readable(before, block);
      const auto [first, end] = readable(now, block);
      const bool kept = same_life && old_first < old_end && first < end;
      if (pass == Difference::kErased && !kept) emit(pass, old_first, old_end);
      if (pass == Difference::kGrew && !kept) emit(pass, first, end);
      if (pass == Difference::kGrew && kept) {
        emit(pass, first, std::min(old_first, end));
        emit(pass, std::max(old_end, first), end);
      }
      if (pass == Difference::kRewritten && kept &&
          before.Version(block) >> 2 != now.Version(block) >> 2)
        emit(pass, std::max(block * per_block, now.low),
             std::min((block + 1) * per_block, now.mark));
    }
  }
}

}  // namespace canvas::part::frames
