// The shared words and bytes of one lane's part of one page, as the protocols see them.
#pragma once

#include <cstdint>

namespace canvas::sync {

template <typename Sync>
struct PartWords {
  using Word = typename Sync::template Atomic<std::uint64_t>;
  using Bytes = typename Sync::SharedBytes;

  Word* versions = nullptr;  // one a block
  Bytes data{};              // block b at data + b x block_stride
  std::uint32_t block_stride = 0;
  Word* life = nullptr;           // format::Life
  Word* mark = nullptr;           // high-water mark, in frames
  Word* low = nullptr;            // low-water mark, in frames
  Word* sequence = nullptr;       // odd while a block is being overwritten or the part punched
  Word* undo_block = nullptr;     // block + 1; 0: empty
  Bytes undo{};                   // room for one block
  Word* lane_id = nullptr;        // stored by the owner, before the part becomes ready
  Word* undo_version = nullptr;   // the block's version before
  Word* undo_checksum = nullptr;  // of the undo place's bytes
  Word* events = nullptr;         // format::EventState
};

// Which blocks below `end` may be other than unwritten: all of them. A caller that knows better
// (storage asks the file system where the version words are a hole) says so, and a part that claims
// to be huge costs what is there of it.
struct EveryBlock {
  template <typename Visit>
  void operator()(std::uint64_t end, Visit visit) const {
    visit(std::uint64_t{0}, end);
  }
};

}  // namespace canvas::sync
