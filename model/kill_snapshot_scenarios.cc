// Kills of an editor of the metadata, and of a writer that says that bytes are reserved.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "canvas/format/lock_format.h"
#include "canvas/format/root.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/snapshot.h"
#include "model/kill_scenario.h"

namespace model {

namespace {

using canvas::format::Root;

void Edit(Memory& m) {
  const auto words = m.Snapshot();
  const auto now = canvas::sync::ReadRoot(words);
  const auto lock = [](std::uint32_t place) { return canvas::format::LockRange{place, 1}; };
  const KillSync::Locks locks;
  const auto free = canvas::sync::ChoosePlace(words, locks, now, lock);
  const Root next{now.generation + 1, free.place};
  const std::uint64_t content[2] = {next.generation, next.generation};
  KillSync::CopyIn(KillSync::SharedBytes(m.places.data()) + next.place * 16, content, 16);
  locks.Unlock(lock(next.place));
  canvas::sync::PublishRoot(words, now, next);
}

std::string ReadSnapshot(Memory& m) {
  const auto root = canvas::sync::ReadRoot(m.Snapshot());
  for (std::uint32_t i = 0; i < 2; ++i)
    if (m.places[root.place * 2 + i].value() != root.generation)
      return "the root names a place that does not hold it";
  return "";
}

Scenario SnapshotScenario() {
  return {"snapshot",
          [](Memory& m) {
            for (std::size_t i = 0; i < 6; ++i) m.places[i].Set(i / 2 == 1 ? 5 : 4);
            m.root.Set(Root{5, 1}.ToWord());
            m.durable.Set(Root{4, 0}.ToWord());
          },
          [](Memory& m) {
            Edit(m);
            Edit(m);
          },
          ReadSnapshot,
          Edit,
          ReadSnapshot};
}

std::string ReadPresent(Memory& m) {
  if (canvas::sync::ReadBit(&m.bits, 3) && m.reserved[0].value() != 1)
    return "said before it was there";
  return "";
}

Scenario PresenceScenario() {
  const auto say = [](Memory& m) {
    Recorder::Get().Syscall();  // reserves
    m.reserved[0].Set(1);
    canvas::sync::PublishBit(&m.bits, 3);
  };
  return {"presence",
          [](Memory&) {},
          say,
          ReadPresent,
          say,
          [](Memory& m) -> std::string {
            return canvas::sync::ReadBit(&m.bits, 3) ? ReadPresent(m) : "never said";
          }};
}

}  // namespace

std::vector<Scenario> SnapshotScenarios() { return {SnapshotScenario(), PresenceScenario()}; }

}  // namespace model
