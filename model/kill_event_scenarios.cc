// Kills of an owner that appends events, edits them, or gives their part back.
#include <cstdint>
#include <string>
#include <vector>

#include "canvas/format/slot_words.h"
#include "canvas/sync/events.h"
#include "canvas/sync/part_life.h"
#include "model/kill_scenario.h"

namespace model {

namespace {

using canvas::format::EventState;
using canvas::format::Life;
using canvas::format::PartState;

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

}  // namespace

std::vector<Scenario> EventScenarios() { return {EventsScenario(), EventReuseScenario()}; }

}  // namespace model
