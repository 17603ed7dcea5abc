// Kills of an owner whose successor goes by its intent.
#include <cstdint>
#include <string>
#include <vector>

#include "canvas/format/owner_table.h"
#include "canvas/format/slot_words.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/takeover.h"
#include "model/kill_part.h"
#include "model/kill_scenario.h"

namespace model {

namespace {

using canvas::format::Operation;
using canvas::format::Version;

// ---- one of two blocks, and it is written again

void Erase(Memory& m) {
  const auto entry = m.Owner();
  canvas::sync::DeclareIntent(entry, {Operation::kErase, 0, 0, 5, 1});
  canvas::sync::EraseBlocks(m.parts[0].Words(), 0, 1);
  canvas::sync::ClearIntent(entry);
  Recorder::Get().Syscall();
  m.parts[0].data[0].Set(0);
  m.parts[0].data[1].Set(0);
  Recorder::Get().Syscall();
}

Scenario EraseScenario() {
  const auto read = [](Memory& m) { return ReadBlocks(m.parts[0], {1, 2}, true); };
  return {"erase",
          [](Memory& m) {
            WriteFirst(m.parts[0], 1);
            canvas::sync::Announce(m.Owner(), 7, 0, 10);
          },
          [](Memory& m) {
            Erase(m);
            Append(m.parts[0], 0, 2);
          },
          read,
          [](Memory& m) {
            const auto entry = m.Owner();
            if (canvas::sync::ReadIntent(entry).operation == Operation::kErase)
              canvas::sync::RepairErase(m.parts[0].Words(), kBlocks);
            canvas::sync::ClearIntent(entry);
          },
          [=](Memory& m) {
            std::string wrong = Settled(m.parts[0]);
            if (!wrong.empty()) return wrong;
            wrong = read(m);
            if (!wrong.empty()) return wrong;
            // Written anew, a block has another sequence than its old bytes had.
            if (!Version::FromWord(m.parts[0].versions[0].value()).written)
              Append(m.parts[0], 0, 2);
            if (m.parts[0].data[0].value() == 2 && m.parts[0].sequence.value() == 0)
              return std::string("new bytes under the sequence of the old ones");
            return read(m);
          }};
}

// ---- two pages, an overwrite in each, a punch of one

constexpr std::uint64_t kFirstPage = 3;

Scenario TakeoverScenario() {
  return {
      "takeover",
      [](Memory& m) {
        for (PartMemory& part : m.parts) WriteFirst(part, 1);
      },
      [](Memory& m) {
        const auto entry = m.Owner();
        canvas::sync::Announce(entry, 7, 0, 10);
        for (std::uint64_t page = 0; page < 2; ++page) {
          canvas::sync::DeclareIntent(entry, {Operation::kOverwrite, kFirstPage + page, 0, 5, 1});
          Overwrite(m.parts[page], 0, 2);
          canvas::sync::ClearIntent(entry);
        }
        canvas::sync::DeclareIntent(entry, {Operation::kPunch, kFirstPage, 0, 5, 1});
        Punch(m.parts[0]);
        canvas::sync::ClearIntent(entry);
        canvas::sync::Withdraw(entry);
      },
      [](Memory& m) {
        for (PartMemory& part : m.parts)
          if (auto wrong = ReadLiving(part, {1, 2}); !wrong.empty()) return wrong;
        return std::string();
      },
      [](Memory& m) {
        const auto entry = m.Owner();
        if (!canvas::sync::IntentConcerns(entry, 7, 0, 10)) return;
        const auto intent = canvas::sync::ReadIntent(entry);
        // As part/part_ref.cc: slots that are not the lane's are none of its business.
        if (intent.slot == 5 && intent.slot_count == 1 && intent.page >= kFirstPage) {
          PartMemory& part = m.parts[intent.page - kFirstPage];
          if (canvas::sync::PunchUnfinished(part.Words())) Punch(part);
          std::uint64_t scratch[2] = {};
          canvas::sync::RepairOverwrite(part.Words(), kBlocks, scratch, Sum);
        }
        canvas::sync::MarkRepaired(entry);
      },
      [](Memory& m) -> std::string {
        if (m.owner[3].value() != 0) return "an intent is left that nobody will repair";
        for (PartMemory& part : m.parts) {
          if (auto wrong = Settled(part); !wrong.empty()) return wrong;
          if (auto wrong = ReadLiving(part, {1, 2}); !wrong.empty()) return wrong;
        }
        return "";
      }};
}

}  // namespace

std::vector<Scenario> IntentScenarios() { return {EraseScenario(), TakeoverScenario()}; }

}  // namespace model
