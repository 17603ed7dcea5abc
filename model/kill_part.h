// What owners do to a part, and what readers may find there: what scenarios of parts are made of.
#pragma once

#include <cstdint>
#include <cstring>
#include <set>
#include <string>

#include "canvas/format/slot_words.h"
#include "canvas/sync/append.h"
#include "canvas/sync/overwrite.h"
#include "canvas/sync/part_life.h"
#include "model/kill_scenario.h"

namespace model {

inline std::uint64_t Sum(const void* bytes) {
  std::uint64_t words[2];
  std::memcpy(words, bytes, 16);
  return words[0] * 3 + words[1] + 1;
}

inline void WriteFirst(PartMemory& part, std::uint64_t value) {
  part.lane_id.Set(7);
  part.life.Set(canvas::format::Life{1, canvas::format::PartState::kReady}.ToWord());
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    part.versions[block].Set(canvas::format::Version{2, true}.ToWord());
    part.data[block * 2].Set(value);
    part.data[block * 2 + 1].Set(value);
  }
  part.low.Set(0);
  part.mark.Set(kBlocks);
}

inline void Append(PartMemory& part, std::uint64_t block, std::uint64_t value) {
  const auto words = part.Words();
  const std::uint64_t frames[2] = {value, value};
  KillSync::CopyIn(words.data + block * 16, frames, 16);
  canvas::sync::PublishFirstWrite(words, block);
  canvas::sync::LowerLowMark(words, block);
  canvas::sync::RaiseHighMark(words, block + 1);
}

inline void Overwrite(PartMemory& part, std::uint64_t block, std::uint64_t value) {
  const auto words = part.Words();
  std::uint64_t scratch[2] = {};
  canvas::sync::BeginOverwrite(words, block, scratch, Sum);
  const std::uint64_t frames[2] = {value, value};
  KillSync::CopyIn(words.data + block * 16, frames, 16);
  canvas::sync::EndOverwrite(words, block);
}

// Every block between the marks reads whole; `allowed` are the values it may have.
inline std::string ReadBlocks(PartMemory& part, const std::set<std::uint64_t>& allowed, bool gaps) {
  const auto words = part.Words();
  const std::uint64_t mark = canvas::sync::ReadHighMark(words);
  if (mark == 0) return "";
  for (std::uint64_t block = canvas::sync::ReadLowMark(words); block < mark; ++block) {
    std::uint64_t value[2] = {};
    const auto outcome = canvas::sync::ReadBlock(words, block, 0, 16, value);
    if (outcome == canvas::sync::BlockRead::kUnwritten && gaps) continue;
    if (outcome != canvas::sync::BlockRead::kOk) return "a block between the marks does not read";
    if (value[0] != value[1]) return "a torn block";
    if (!allowed.contains(value[0])) return "bytes that nobody published";
  }
  return "";
}

inline std::string Settled(PartMemory& part) {
  for (Word& version : part.versions)
    if (canvas::format::Version::FromWord(version.value()).changing())
      return "a version is left odd";
  if ((part.sequence.value() & 1) != 0) return "the sequence is left odd";
  return "";
}

inline void Punch(PartMemory& part) {
  const auto words = part.Words();
  canvas::sync::BeginPunch(words);
  Recorder::Get().Syscall();
  for (Word& word : part.data) word.Set(0);
  Recorder::Get().Syscall();
  canvas::sync::EndPunch(words, kBlocks);
}

// What is wrong with a part that may be punched, as a reader finds it.
inline std::string ReadLiving(PartMemory& part, std::set<std::uint64_t> allowed) {
  const auto words = part.Words();
  if (canvas::format::Life::FromWord(canvas::sync::ReadLife(words)).state ==
      canvas::format::PartState::kReady)
    return ReadBlocks(part, allowed, false);
  if (canvas::sync::PunchUnfinished(words)) return "";
  for (Word& version : part.versions)
    if (canvas::format::Version::FromWord(version.value()).written)
      return "finished, and a block says written over the hole";
  return "";
}

}  // namespace model
