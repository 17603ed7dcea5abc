// Kills of an owner that appends to a part, overwrites its blocks, or gives it back.
#include <cstdint>
#include <string>
#include <vector>

#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "model/kill_part.h"
#include "model/kill_scenario.h"

namespace model {

namespace {

using canvas::format::Life;
using canvas::format::PartState;
using canvas::format::Version;

Scenario AppendScenario() {
  return {"append",
          [](Memory& m) {
            m.parts[0].life.Set(Life{1, PartState::kReady}.ToWord());
            m.parts[0].lane_id.Set(7);
            m.parts[0].low.Set(~std::uint64_t{0});
          },
          [](Memory& m) {
            Append(m.parts[0], 1, 11);
            Append(m.parts[0], 0, 11);
          },
          [](Memory& m) { return ReadBlocks(m.parts[0], {11}, false); },
          [](Memory& m) {
            const auto words = m.parts[0].Words();
            canvas::sync::AdoptPart(words, 1, kBlocks);
          },
          [](Memory& m) -> std::string {
            // The next owner writes elsewhere: nothing of the dead comes to light.
            PartMemory& part = m.parts[0];
            if (part.mark.value() == 0) Append(part, 1, 12);
            const std::uint64_t mark = part.mark.value();
            for (std::uint64_t block = 0; block < kBlocks; ++block)
              if (Version::FromWord(part.versions[block].value()).written &&
                  (block >= mark || block < part.low.value()))
                return "a block outside the marks is left written";
            return ReadBlocks(part, {11, 12}, false);
          }};
}

Scenario OverwriteScenario() {
  return {"overwrite",
          [](Memory& m) { WriteFirst(m.parts[0], 1); },
          [](Memory& m) {
            Overwrite(m.parts[0], 0, 2);
            Overwrite(m.parts[0], 1, 3);
            Overwrite(m.parts[0], 1, 4);
          },
          [](Memory& m) {
            return ReadBlocks(m.parts[0], {1, 2, 3, 4}, false);
          },
          [](Memory& m) {
            std::uint64_t scratch[2] = {};
            canvas::sync::RepairOverwrite(m.parts[0].Words(), kBlocks, scratch, Sum);
          },
          [](Memory& m) {
            const std::string settled = Settled(m.parts[0]);
            if (!settled.empty()) return settled;
            Overwrite(m.parts[0], 0, 2);
            return ReadBlocks(m.parts[0], {1, 2, 3, 4}, false);
          }};
}

Scenario PunchScenario() {
  const auto reuse = [](PartMemory& part) {
    canvas::sync::MakeReady(part.Words(), 8);
    canvas::sync::AdoptPart(part.Words(), 1, kBlocks);
    Append(part, 0, 8);
  };
  const auto read = [](Memory& m) {
    return ReadLiving(m.parts[0], {canvas::sync::ReadLane(m.parts[0].Words())});
  };
  return {"punch",
          [](Memory& m) { WriteFirst(m.parts[0], 7); },
          [=](Memory& m) {
            Punch(m.parts[0]);
            reuse(m.parts[0]);
          },
          read,
          [=](Memory& m) {
            if (canvas::sync::PunchUnfinished(m.parts[0].Words())) Punch(m.parts[0]);
          },
          [=](Memory& m) -> std::string {
            std::string wrong = read(m);
            if (!wrong.empty()) return wrong;
            if (canvas::sync::PunchUnfinished(m.parts[0].Words())) return "left unfinished";
            if (Life::FromWord(m.parts[0].life.value()).state == PartState::kPunched)
              reuse(m.parts[0]);
            return read(m);
          }};
}

}  // namespace

std::vector<Scenario> PartScenarios() {
  return {AppendScenario(), OverwriteScenario(), PunchScenario()};
}

}  // namespace model
