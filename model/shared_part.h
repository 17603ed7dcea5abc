// The shared words of one part, for models: what canvas/storage finds in a file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "canvas/sync/part_words.h"
#include "model/relacy_sync.h"  // last

namespace model {

// The words of a part of kBlocks blocks of two words each.
template <std::size_t kBlocks>
struct SharedPart {
  static constexpr std::uint32_t kStride = 16;
  LockTable lock_table;
  Atomic<std::uint64_t> lane_id, life, mark, low, sequence, undo_block, undo_version, undo_checksum,
      events;
  Atomic<std::uint64_t> versions[kBlocks];
  Atomic<std::uint64_t> data[kBlocks * 2];
  Atomic<std::uint64_t> undo[2];

  // An empty part: for before().
  void Clear() {
    lock_table.Clear();
    for (auto* word : {&lane_id, &life, &mark, &sequence, &undo_block, &undo_version,
                       &undo_checksum, &events, &undo[0], &undo[1]})
      word->store(0, std::memory_order::relaxed);
    low.store(~std::uint64_t{0}, std::memory_order::relaxed);
    for (auto& word : versions) word.store(0, std::memory_order::relaxed);
    for (auto& word : data) word.store(0, std::memory_order::relaxed);
    lane_id.Name("lane id");
    life.Name("life");
    mark.Name("mark");
    low.Name("low");
    sequence.Name("sequence");
    undo_block.Name("undo block");
    undo_version.Name("undo version");
    undo_checksum.Name("undo checksum");
    events.Name("event word");
    for (auto& word : versions) word.Name("version");
  }
  canvas::sync::PartWords<RelacySync> Part() {
    return {.versions = versions,
            .data = SharedBytes(data, "data"),
            .block_stride = kStride,
            .life = &life,
            .mark = &mark,
            .low = &low,
            .sequence = &sequence,
            .undo_block = &undo_block,
            .undo = SharedBytes(undo, "undo"),
            .lane_id = &lane_id,
            .undo_version = &undo_version,
            .undo_checksum = &undo_checksum,
            .events = &events};
  }
  RelacySync::Locks Locks() { return RelacySync::Locks(lock_table); }
};
}  // namespace model
