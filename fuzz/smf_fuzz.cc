// Reads arbitrary bytes as a Standard MIDI File, as a MIDI Clip File and as provenance. Nothing may
// crash; what can be read is written again byte for byte; what is written after an edit can be read
// and has the same events.
//
// Input: the file. It is also taken for the blobs of a good one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "canvas/midi/clip.h"
#include "canvas/midi/smf.h"

namespace {

using canvas::midi::Bytes;
using canvas::midi::Event;
using canvas::midi::ParseSmf;
using canvas::midi::Smf;
using canvas::midi::SmfTrackToWrite;
using canvas::midi::WriteSmf;

void Require(bool ok) {
  if (!ok) std::abort();
}

bool IsSystem(const Event& event) {
  const std::uint8_t status = event.bytes[0];
  return status > 0xF0 && status != 0xF7 && status != 0xFF;
}

// Written without provenance, or with it and after an edit, and read again: the same, but that
// system messages are escaped and that there is one end-of-track.
void CheckSound(const Smf& smf, bool edited) {
  std::vector<std::vector<Event>> events;
  std::vector<std::vector<std::uint8_t>> blobs;
  for (std::size_t i = 0; i < smf.track_count(); ++i) {
    events.push_back(smf.Events(i).value());
    blobs.push_back(edited ? smf.TrackProvenance(i).value() : std::vector<std::uint8_t>());
  }
  static const std::vector<std::uint8_t> on = {0x90, 60, 64};
  if (edited && !events.empty()) {
    // In its place, or one less or more.
    auto& first = events.front();
    if (first.size() % 3 == 1)
      first.front().bytes = on;
    else if (first.size() % 3 == 2)
      first.pop_back();
    else
      first.insert(first.begin(), {0, on});
  }
  std::vector<SmfTrackToWrite> tracks;
  for (std::size_t i = 0; i < events.size(); ++i) tracks.push_back({events[i], blobs[i]});
  const auto file = edited ? smf.FileProvenance().value() : std::vector<std::uint8_t>();
  const auto written = WriteSmf(smf.header(), tracks, file);
  if (!written) return;          // too many tracks
  if (written->as_read) return;  // no track to edit, or the event was that already
  const auto again = ParseSmf(written->bytes);
  Require(again.has_value() && again->track_count() == smf.track_count());
  for (std::size_t i = 0; i < events.size(); ++i) {
    std::vector<Event>& before = events[i];
    std::erase_if(before,
                  [](const Event& event) { return canvas::midi::IsEndOfTrack(event.bytes); });
    const std::vector<Event> after = again->Events(i).value();
    Require(after.size() == before.size() + 1);
    for (std::size_t k = 0; k < before.size(); ++k) {
      Require(after[k].tick == before[k].tick);
      const Bytes bytes = after[k].bytes.subspan(IsSystem(before[k]) ? 1 : 0);
      Require(std::ranges::equal(bytes, before[k].bytes));
    }
  }
}

void CheckClip(Bytes data) {
  const auto clip = canvas::midi::ParseClip(data);
  if (!clip) return;
  const std::vector<Event> events = clip->Events().value();
  const auto written = canvas::midi::WriteClip(events, clip->Provenance().value());
  Require(written->as_read && std::ranges::equal(written->bytes, data));
  const auto edited = canvas::midi::WriteClip(events);
  Require(canvas::midi::ParseClip(edited.value().bytes).has_value());
}

void ReadAsBlobs(Bytes data) {
  static const std::vector<std::uint8_t> on = {0x90, 60, 64};
  static const std::vector<std::uint8_t> system = {0xF8};
  static const std::vector<Event> events = {{0, on}, {1, on}, {1, system}, {2, on}};
  (void)canvas::midi::HeaderOfProvenance(data);
  const SmfTrackToWrite track = {events, data};
  static const std::vector<std::uint8_t> note = {0x20, 0x90, 60, 64};
  static const std::vector<Event> packets = {{0, note}, {3, note}};
  (void)canvas::midi::WriteClip(packets, data);
  for (const Bytes file : {data, Bytes()})
    if (const auto written = WriteSmf({1, {96}}, {&track, 1}, file))
      Require(ParseSmf(written->bytes).has_value() || !file.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  (void)ParseSmf(bytes, {.strict = true});
  if (const auto smf = ParseSmf(bytes, {.max_warnings = 10})) {
    Require(std::ranges::equal(WriteSmf(*smf).value(), bytes));
    for (const auto& warning : smf->warnings()) Require(!warning.Message().empty());
    CheckSound(*smf, false);
    CheckSound(*smf, true);
  }
  CheckClip(bytes);
  ReadAsBlobs(bytes);
  return 0;
}
