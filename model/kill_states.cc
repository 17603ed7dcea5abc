// Every memory a kill may leave, and what a successor makes of it: each writing protocol is run
// once with its stores recorded, every set of them that its memory orders permit is built
// (kill_sync.h), a reader looks at it, a successor recovers from it, and is killed at every step
// of that as well.
//
//   kill_states            the code as it is
//   kill_states --sweep    every order weakened, every step of the list left out
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "canvas/format/owner_table.h"
#include "canvas/format/root.h"
#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/erase.h"
#include "canvas/sync/events.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"
#include "canvas/sync/snapshot.h"
#include "canvas/sync/takeover.h"
#include "model/kill_sync.h"

namespace {

using canvas::format::EventState;
using canvas::format::Life;
using canvas::format::Operation;
using canvas::format::PartState;
using canvas::format::Root;
using canvas::format::Version;
using canvas::sync::BlockRead;
using model::Fault;
using model::KillSync;
using model::Mutation;
using model::RecordedStore;
using model::Recorder;
using model::Step;

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

std::uint64_t Sum(const void* bytes) {
  std::uint64_t words[2];
  std::memcpy(words, bytes, 16);
  return words[0] * 3 + words[1] + 1;
}

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

// ---- the part protocols

void WriteFirst(PartMemory& part, std::uint64_t value) {
  part.lane_id.Set(7);
  part.life.Set(Life{1, PartState::kReady}.ToWord());
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    part.versions[block].Set(Version{2, true}.ToWord());
    part.data[block * 2].Set(value);
    part.data[block * 2 + 1].Set(value);
  }
  part.low.Set(0);
  part.mark.Set(kBlocks);
}

void Append(PartMemory& part, std::uint64_t block, std::uint64_t value) {
  const auto words = part.Words();
  const std::uint64_t frames[2] = {value, value};
  KillSync::CopyIn(words.data + block * 16, frames, 16);
  canvas::sync::PublishFirstWrite(words, block);
  canvas::sync::LowerLow(words, block);
  canvas::sync::RaiseMark(words, block + 1);
}

void Overwrite(PartMemory& part, std::uint64_t block, std::uint64_t value) {
  const auto words = part.Words();
  std::uint64_t scratch[2] = {};
  canvas::sync::BeginOverwrite(words, block, scratch, Sum);
  const std::uint64_t frames[2] = {value, value};
  KillSync::CopyIn(words.data + block * 16, frames, 16);
  canvas::sync::EndOverwrite(words, block);
}

// Every block between the marks reads whole; `allowed` are the values it may have.
std::string ReadBlocks(PartMemory& part, const std::set<std::uint64_t>& allowed, bool gaps) {
  const auto words = part.Words();
  const std::uint64_t mark = canvas::sync::ReadMark(words);
  if (mark == 0) return "";
  for (std::uint64_t block = canvas::sync::ReadLow(words); block < mark; ++block) {
    std::uint64_t value[2] = {};
    const auto outcome = canvas::sync::ReadBlock(words, block, 0, 16, value);
    if (outcome == BlockRead::kUnwritten && gaps) continue;
    if (outcome != BlockRead::kOk) return "a block between the marks does not read";
    if (value[0] != value[1]) return "a torn block";
    if (!allowed.contains(value[0])) return "bytes that nobody published";
  }
  return "";
}

std::string Settled(PartMemory& part) {
  for (Word& version : part.versions)
    if (Version::FromWord(version.value()).changing()) return "a version is left odd";
  if ((part.sequence.value() & 1) != 0) return "the sequence is left odd";
  return "";
}

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

void Punch(PartMemory& part) {
  const auto words = part.Words();
  canvas::sync::BeginPunch(words);
  Recorder::Get().Syscall();
  for (Word& word : part.data) word.Set(0);
  Recorder::Get().Syscall();
  canvas::sync::EndPunch(words, kBlocks);
}

// What is wrong with a part that may be punched, as a reader finds it.
std::string ReadLiving(PartMemory& part, std::set<std::uint64_t> allowed) {
  const auto words = part.Words();
  if (Life::FromWord(canvas::sync::ReadLife(words)).state == PartState::kReady)
    return ReadBlocks(part, allowed, false);
  if (canvas::sync::PunchUnfinished(words)) return "";
  for (Word& version : part.versions)
    if (Version::FromWord(version.value()).written)
      return "finished, and a block says written over the hole";
  return "";
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

// ---- erasing one of two blocks, by the intent, and writing it again

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

// ---- takeover: two pages, an overwrite in each, a punch of one, by the intents alone

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
        // As part/part.cc: slots that are not the lane's are none of its business.
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

// ---- the others

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

// Reserving is a call of the kernel.
bool ReserveEvents(std::uint32_t, std::uint32_t, std::uint32_t) {
  Recorder::Get().Syscall();
  return true;
}

// Events are lane x 256 + generation x 16 + index. A part that is not ready has no list.
std::string ReadEventList(Memory& m) {
  const auto words = m.parts[0].Words();
  if (Life::FromWord(canvas::sync::ReadLife(words)).state != PartState::kReady) return "";
  const std::uint64_t lane = canvas::sync::ReadLane(words);
  const auto state = canvas::sync::ReadEventState(m.Events());
  for (std::uint32_t i = 0; i < state.count; ++i)
    if (m.events[state.half * 2 + i].value() != lane * 256 + state.generation * 16 + i)
      return "an event that is counted is not there, or another lane's";
  return "";
}

void EditEvents(Memory& m, std::uint64_t lane, std::uint64_t count) {
  const std::uint64_t generation = canvas::sync::ReadEventState(m.Events()).generation + 1;
  const std::uint64_t first = lane * 256 + generation * 16;
  const std::uint64_t list[2] = {first, first + 1};
  canvas::sync::ReplaceEvents(m.Events(), list, static_cast<std::uint32_t>(count), ReserveEvents);
}

Scenario EventsScenario() {
  return {"events",
          [](Memory& m) {
            m.parts[0].life.Set(Life{1, PartState::kReady}.ToWord());
            m.parts[0].lane_id.Set(7);
            m.parts[0].events.Set(EventState{1, 0, 0}.ToWord());
          },
          [](Memory& m) {
            for (std::uint64_t event = 7 * 256 + 16; event < 7 * 256 + 18; ++event)
              canvas::sync::AppendEvents(m.Events(), &event, 1, ReserveEvents);
            EditEvents(m, 7, 2);
            EditEvents(m, 7, 2);
          },
          ReadEventList,
          [](Memory& m) { EditEvents(m, 7, 1); },
          ReadEventList};
}

// The part is given back, and goes to lane 8, which finds an empty list and fills it.
Scenario EventReuseScenario() {
  const auto punch = [](Memory& m) {
    const auto words = m.parts[0].Words();
    canvas::sync::BeginPunch(words);
    Recorder::Get().Syscall();
    for (Word& word : m.events) word.Set(0);
    Recorder::Get().Syscall();
    canvas::sync::EndPunch(words, kBlocks);
  };
  const auto reuse = [](Memory& m) {
    canvas::sync::MakeReady(m.parts[0].Words(), 8);
    const auto state = canvas::sync::ReadEventState(m.Events());
    const std::uint64_t event = 8 * 256 + state.generation * 16;
    canvas::sync::AppendEvents(m.Events(), &event, 1, ReserveEvents);
  };
  return {"events, reused",
          [](Memory& m) {
            m.parts[0].life.Set(Life{1, PartState::kReady}.ToWord());
            m.parts[0].lane_id.Set(7);
            m.events[0].Set(7 * 256 + 16);
            m.parts[0].events.Set(EventState{1, 0, 1}.ToWord());
          },
          [=](Memory& m) {
            punch(m);
            reuse(m);
          },
          ReadEventList,
          [=](Memory& m) {
            if (canvas::sync::PunchUnfinished(m.parts[0].Words())) punch(m);
          },
          [=](Memory& m) -> std::string {
            if (Life::FromWord(m.parts[0].life.value()).state == PartState::kPunched) reuse(m);
            return ReadEventList(m);
          }};
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

// ---- the enumeration

// Calls visit(memory) for every memory that a kill during `stores` may leave.
template <typename Visit>
void ForEachKill(const Memory& start, const std::vector<RecordedStore>& stores, Visit visit) {
  const auto apply = [](Memory& memory, const RecordedStore& store) {
    std::memcpy(reinterpret_cast<std::byte*>(&memory) + store.offset, &store.value, 8);
  };
  Memory prefix = start;
  for (std::size_t k = 0; k <= stores.size(); ++k) {
    // Store k is the first that is missing. Which later ones may be there?
    std::vector<std::size_t> movable;
    std::set<std::size_t> missing_words;
    if (k < stores.size()) missing_words.insert(stores[k].offset);
    for (std::size_t i = k + 1; i < stores.size(); ++i) {
      if (stores[i].stretch != stores[k].stretch) break;
      if (!stores[i].release && !missing_words.contains(stores[i].offset))
        movable.push_back(i);
      else
        missing_words.insert(stores[i].offset);
    }
    constexpr std::size_t kMost = 10;  // 2^10 sets; beyond, the first ones
    if (movable.size() > kMost) movable.resize(kMost);
    for (std::size_t set = 0; set < std::size_t{1} << movable.size(); ++set) {
      Memory memory = prefix;
      bool in_order = true;
      std::set<std::size_t> left_out;
      for (std::size_t i = 0; i < movable.size(); ++i) {
        const RecordedStore& store = stores[movable[i]];
        if ((set >> i & 1) == 0) {
          left_out.insert(store.offset);
          continue;
        }
        in_order = in_order && !left_out.contains(store.offset);
        apply(memory, store);
      }
      if (in_order) visit(memory);
    }
    if (k < stores.size()) apply(prefix, stores[k]);
  }
}

// What readers see of the parts: every block that reads.
std::vector<std::uint64_t> Visible(Memory& memory) {
  std::vector<std::uint64_t> seen;
  for (PartMemory& part : memory.parts) {
    const auto words = part.Words();
    const bool ready = Life::FromWord(canvas::sync::ReadLife(words)).state == PartState::kReady;
    const std::uint64_t mark = ready ? canvas::sync::ReadMark(words) : 0;
    for (std::uint64_t block = 0; block < kBlocks; ++block) {
      std::uint64_t value[2] = {};
      const bool reads = block < mark && block >= canvas::sync::ReadLow(words) &&
                         canvas::sync::ReadBlock(words, block, 0, 16, value) == BlockRead::kOk;
      seen.push_back(reads ? value[0] : 0);
    }
  }
  return seen;
}

struct Judgement {
  std::uint64_t states = 0;
  std::string wrong;
};

Judgement Judge(const Scenario& scenario) {
  Judgement judgement;
  const auto blame = [&](const char* when, const std::string& wrong) {
    if (!wrong.empty() && judgement.wrong.empty())
      judgement.wrong = std::string(when) + ": " + wrong;
  };
  const auto record = [](Memory& memory, const std::function<void(Memory&)>& act) {
    Recorder::Get().Begin(&memory);
    act(memory);
    return Recorder::Get().End();
  };
  Memory start{};
  scenario.prepare(start);
  Memory after = start;
  const auto stores = record(after, scenario.act);
  blame("without a death", scenario.read(after));
  ForEachKill(start, stores, [&](const Memory& killed) {
    ++judgement.states;
    Memory memory = killed;
    blame("after the kill", scenario.read(memory));
    Memory recovered = killed;
    const auto repairs = record(recovered, scenario.recover);
    if (scenario.repairs_only && Visible(recovered) != Visible(memory))
      blame("recovered", "the successor changed what readers see");
    blame("recovered", scenario.judge(recovered));
    ForEachKill(killed, repairs, [&](const Memory& again) {
      ++judgement.states;
      Memory twice = again;
      blame("after a kill of the successor", scenario.read(twice));
      scenario.recover(twice);
      blame("recovered from that", scenario.judge(twice));
    });
  });
  return judgement;
}

const std::vector<model::LogicMutant>& LogicMutants() {
  static const std::vector<model::LogicMutant> mutants = {
      {"kill: do the deed without saying so", Step::kStore, "DeclareIntent", "", Fault::kSkip},
      {"kill: skip the copy to the undo place", Step::kCopyIn, "BeginOverwrite", "", Fault::kSkip},
      {"kill: put nothing back", Step::kCopyIn, "RepairOverwrite", "", Fault::kSkip},
      {"kill: leave the dead owner's blocks written", Step::kStore, "AdoptPart", "", Fault::kSkip},
      {"kill: do not say that a punch has begun", Step::kStore, "BeginPunch", "", Fault::kSkip},
      {"kill: blocks stay written over the hole", Step::kStore, "EndPunch", "", Fault::kSkip},
      {"kill: blocks erased under the old sequence", Step::kStore, "EraseBlocks", "", Fault::kSkip},
      {"kill: leave an erasure unfinished", Step::kStore, "RepairErase", "", Fault::kSkip},
      {"kill: leave a repaired intent", Step::kStore, "ClearIntent", "", Fault::kSkip},
  };
  return mutants;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Scenario> scenarios = {
      AppendScenario(), OverwriteScenario(),  PunchScenario(),
      EraseScenario(),  TakeoverScenario(),   SnapshotScenario(),
      EventsScenario(), EventReuseScenario(), PresenceScenario()};
  bool good = true;
  const bool sweep = argc > 1 && std::string(argv[1]) == "--sweep";
  for (const Scenario& scenario : scenarios) {
    const Judgement judgement = Judge(scenario);
    if (!sweep)
      std::printf("%s: %llu memories after a kill, or two: %s\n", scenario.name,
                  static_cast<unsigned long long>(judgement.states),
                  judgement.wrong.empty() ? "nothing found" : judgement.wrong.c_str());
    good = good && judgement.wrong.empty();
  }
  if (!sweep || !good) return good ? 0 : 1;

  Mutation& mutation = Mutation::Get();
  const auto judge = [&](const std::string& name) {
    std::uint64_t states = 0;
    for (const Scenario& scenario : scenarios) {
      const Judgement judgement = Judge(scenario);
      states += judgement.states;
      if (judgement.wrong.empty()) continue;
      std::printf("mutant\t%s\tcaught\t%llu\tkill states, %s\n", name.c_str(),
                  static_cast<unsigned long long>(states), scenario.name);
      return;
    }
    std::printf("mutant\t%s\tsurvived\t%llu\tkill states\n", name.c_str(),
                static_cast<unsigned long long>(states));
  };
  const std::size_t sites = mutation.site_count();
  for (std::size_t i = 0; i < sites; ++i) {
    if (!model::Releases(mutation.site(i).order)) continue;
    mutation.Weaken(i);
    judge(mutation.site(i).Name());
  }
  for (const model::LogicMutant& mutant : LogicMutants()) {
    mutation.Plant(&mutant);
    judge(mutant.name);
  }
  return 0;
}
