// What the scenarios of kill_states work on, and what a scenario is.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "canvas/sync/events.h"
#include "canvas/sync/part_words.h"
#include "canvas/sync/snapshot.h"
#include "canvas/sync/takeover.h"
#include "model/kill_sync.h"

namespace model {

using Word = KillSync::Atomic<std::uint64_t>;

constexpr std::uint64_t kBlocks = 2;

struct PartMemory {
  Word lane_id, life, mark, low, sequence, undo_block, undo_version, undo_checksum, events;
  std::array<Word, kBlocks> versions;
  std::array<Word, kBlocks * 2> data;
  std::array<Word, 2> undo;

  canvas::sync::PartWords<KillSync> Words() {
    return {.versions = versions.data(),
            .data = KillSync::SharedBytes(data.data()),
            .block_stride = 16,
            .life = &life,
            .mark = &mark,
            .low = &low,
            .sequence = &sequence,
            .undo_block = &undo_block,
            .undo = KillSync::SharedBytes(undo.data()),
            .lane_id = &lane_id,
            .undo_version = &undo_version,
            .undo_checksum = &undo_checksum,
            .events = &events};
  }
};

// All that the scenarios use; copied as a whole.
struct Memory {
  std::array<PartMemory, 2> parts;
  std::array<Word, 8> owner;
  Word root, durable;
  std::array<Word, 6> places;
  std::array<Word, 4> events;
  Word bits;
  std::array<Word, 2> reserved;

  canvas::sync::OwnerWords<KillSync> Owner() {
    return {&owner[0], &owner[1], &owner[2], &owner[3], &owner[4], &owner[5], &owner[6], &owner[7]};
  }
  canvas::sync::SnapshotWords<KillSync> Snapshot() { return {&root, &durable, 3}; }
  canvas::sync::EventWords<KillSync> Events() {
    return {&parts[0].events, &parts[0].life, KillSync::SharedBytes(events.data()), 8, 2};
  }
};

// A protocol under test. Each check answers what is wrong, or nothing.
struct Scenario {
  const char* name;
  std::function<void(Memory&)> prepare;
  std::function<void(Memory&)> act;
  std::function<std::string(Memory&)> read;   // as a reader finds it, at any cut
  std::function<void(Memory&)> recover;       // what the next owner does first
  std::function<std::string(Memory&)> judge;  // after that
  bool repairs_only = true;                   // recovering must not change what readers see
};

// The files of scenarios, by what they are about.
std::vector<Scenario> PartScenarios();      // append, overwrite, punch
std::vector<Scenario> IntentScenarios();    // erase, takeover: found by the owner's intent
std::vector<Scenario> SnapshotScenarios();  // snapshots of the metadata, presence
std::vector<Scenario> EventScenarios();

}  // namespace model
