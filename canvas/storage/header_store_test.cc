#include "canvas/storage/header_store.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "canvas/format/byte_io.h"
#include "canvas/format/control_words.h"
#include "canvas/format/editor_record.h"
#include "canvas/format/root.h"
#include "canvas/metadata/header_codec.h"
#include "canvas/storage/holder_name.h"
#include "canvas/storage/testdata/newer_header.capnp.h"
#include "canvas/testing/small_file.h"

namespace canvas::storage {
namespace {

namespace control = format::control;
using testing::Peek;
using testing::Poke;
using testing::SmallFileTest;
using testing::SmallGeometry;

metadata::LaneRecord Lane(std::uint32_t id, const std::string& name, std::uint32_t slot) {
  metadata::LaneRecord lane;
  lane.id = LaneId(id);
  lane.name = name;
  lane.channels = 2;
  lane.rate = {8000, 1};
  lane.slots = {format::SlotKind::kWide, slot, 1};
  return lane;
}

class HeaderStoreTest : public SmallFileTest {
 protected:
  static void Add(HeaderStore& store, const std::string& name) {
    const auto added = store.Edit([&](metadata::Header& header) -> Result<void> {
      header.lanes.push_back(Lane(header.next_lane_id, name, header.next_lane_id));
      ++header.next_lane_id;
      return {};
    });
    EXPECT_TRUE(added.has_value()) << added.error().Message();
  }
  format::Root Root() { return format::Root::FromWord(Word(control::kHeaderRoot)); }
  std::uint64_t Word(std::uint64_t at) const {
    return testing::PeekWord(path_, format::kControlOffset + at);
  }
  std::uint64_t PlaceAt(std::uint32_t place) const {
    return format::kHeaderPlacesOffset + place * std::uint64_t{SmallGeometry().header_place_bytes};
  }
  // A version in a place, as an editor writes it before it moves the root.
  void WritePlace(std::uint32_t place, std::uint64_t generation,
                  std::span<const std::byte> message) const {
    const auto header = format::EncodeSnapshotHeader(
        {generation, message.size(), format::SnapshotChecksum(message, generation)});
    Poke(path_, PlaceAt(place), header.data(), header.size());
    Poke(path_, PlaceAt(place) + header.size(), message.data(), message.size());
  }
  void MoveRoot(format::Root root) const {
    testing::PokeWord(path_, format::kControlOffset + control::kHeaderRoot, root.ToWord());
  }
  static std::vector<std::string> Names(HeaderStore& store) {
    std::vector<std::string> names;
    const auto header = store.Current();
    EXPECT_TRUE(header.has_value()) << header.error().Message();
    if (header)
      for (const metadata::LaneRecord& lane : (*header)->lanes) names.push_back(lane.name);
    return names;
  }
};

using Strings = std::vector<std::string>;

// An editor dies before it publishes; the next one writes to the same place. The power goes: the
// root is on disk, and of the place only what the dead one had written.
TEST_F(HeaderStoreTest, AnUnpublishedHeaderOfTheDeadNeverComesToLife) {
  const auto file = Open();
  HeaderStore sut(*file);
  Add(sut, "a");
  const format::Root before = Root();
  metadata::Header dead = **sut.Current();
  dead.title = "never published";
  const auto place = static_cast<std::uint32_t>((before.place + 1) % SmallGeometry().header_places);
  const auto message = *metadata::EncodeHeader(dead, {});
  WritePlace(place, before.generation + 1, message);
  Add(sut, "b");
  ASSERT_EQ(Root().place, place) << "the same place, or this test shows nothing";
  EXPECT_GT(Root().generation, before.generation + 1);
  WritePlace(place, before.generation + 1, message);  // the power came back
  HeaderStore after(*file);
  EXPECT_EQ(Names(after), Strings{"a"});
  EXPECT_EQ((*after.Current())->title, "");
  EXPECT_TRUE(after.recovered());
  EXPECT_FALSE(after.Edit([](metadata::Header&) -> Result<void> { return {}; }).has_value())
      << "what the lost one said is not known";
}

TEST_F(HeaderStoreTest, AHeaderThatContradictsItselfIsAnErrorAndNotAnOlderOne) {
  const auto file = Open();
  HeaderStore sut(*file);
  Add(sut, "a");
  metadata::Header bad = **sut.Current();
  bad.lanes.push_back(Lane(9, "a", 3));  // an id that was never given out, and a name twice
  const format::Root root{Root().generation + 1,
                          (Root().place + 1) % SmallGeometry().header_places};
  WritePlace(root.place, root.generation, *metadata::EncodeHeader(bad, {}));
  MoveRoot(root);
  HeaderStore after(*file);
  const auto current = after.Current();
  ASSERT_FALSE(current.has_value()) << "an older header in its place would be a silent loss";
  EXPECT_EQ(current.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(current.error().what().find("lane 9"), std::string::npos) << current.error().what();
}

TEST_F(HeaderStoreTest, ARootOfGenerationZeroIsNoRoot) {
  const auto file = Open();
  HeaderStore sut(*file);
  Add(sut, "a");
  Add(sut, "b");
  MoveRoot({0, 0});  // place 0 holds the oldest
  HeaderStore after(*file);
  EXPECT_EQ(Names(after), (Strings{"a", "b"})) << "the newest that is whole";
  EXPECT_TRUE(after.recovered());
}

// What cannot be taken back is done when nothing is left that could fail but the publishing.
TEST_F(HeaderStoreTest, ADeedIsDoneLastOrNotAtAll) {
  const auto file = Open();
  HeaderStore sut(*file);
  Add(sut, "a");
  int deeds = 0;
  const auto deed = [&]() -> Result<void> {
    ++deeds;
    return {};
  };
  const auto clear = [](metadata::Header& header) -> Result<void> {
    header.lanes.clear();
    return {};
  };
  {
    const auto reader = Open();
    HeaderStore pins(*reader);
    std::vector<HeaderPin> held;
    // Pinned one by one, until no place is left.
    Result<void> edited;
    for (std::uint32_t i = 0; i < 2 * SmallGeometry().header_places && edited; ++i) {
      held.push_back(std::move(*pins.Pin()));
      edited = sut.Edit([&](metadata::Header& header) -> Result<void> {
        header.title = std::to_string(i);
        return {};
      });
    }
    ASSERT_FALSE(edited.has_value());
    EXPECT_EQ(edited.error().code(), ErrorCode::kLimit);
    EXPECT_FALSE(sut.Edit(clear, deed).has_value());
  }
  EXPECT_FALSE(sut.Edit(
                      [](metadata::Header& header) -> Result<void> {
                        header.lanes.clear();
                        header.description.assign(2 * SmallGeometry().header_place_bytes, 'x');
                        return {};
                      },
                      deed)
                   .has_value());
  EXPECT_EQ(deeds, 0);
  EXPECT_FALSE(sut.Edit(clear, []() -> Result<void> { return Fail(ErrorCode::kBusy, "not now"); })
                   .has_value());
  EXPECT_EQ(Names(sut), Strings{"a"});
  EXPECT_TRUE(sut.Edit(clear, deed).has_value());
  EXPECT_EQ(deeds, 1);
  EXPECT_EQ(Names(sut), Strings());
}

// Who holds the lock is named if it runs; who left its name and is gone is not taken for the
// holder.
TEST_F(HeaderStoreTest, OnlyAnEditorThatRunsIsNamed) {
  const auto holder = Open();
  const auto held = os::ScopedLock::Try(holder->locks(), format::HeaderLock());
  ASSERT_TRUE(held.has_value() && held->has_value());
  const auto pid = static_cast<std::uint64_t>(getpid());
  const std::uint64_t note[3] = {pid, 0, StartTimeOf(pid)};
  ASSERT_NE(note[2], 0U);
  const std::uint64_t at = format::kControlOffset + control::kHeaderEditor;
  Poke(path_, at, note, sizeof note);
  Poke(path_, at + format::editor::kName, "ALICE", 6);
  const auto file = Open();
  HeaderStore sut(*file, "", std::chrono::milliseconds(1));
  const auto told = [&] {
    return sut.Edit([](metadata::Header&) -> Result<void> { return {}; }).error().what();
  };
  EXPECT_EQ(told().find("the metadata is being edited by ALICE"), 0U) << told();
  const std::uint64_t before = note[2] + 1;  // another process had that pid
  Poke(path_, at + format::editor::kStartTime, &before, 8);
  EXPECT_NE(told().find("does not say its name"), std::string::npos) << told();
}

TEST_F(HeaderStoreTest, HundredsOfMarkersAreEditedOneByOne) {
  const auto file = Open();
  HeaderStore sut(*file);
  for (int i = 0; i < 300; ++i) {
    const auto edited = sut.Edit([&](metadata::Header& header) -> Result<void> {
      const std::uint32_t id = header.next_marker_id++;
      header.markers.push_back({id, {i, 1}, {i, 1}, LaneId(0), "marker " + std::to_string(i)});
      return {};
    });
    ASSERT_TRUE(edited.has_value()) << i << ": " << edited.error().Message();
  }
  EXPECT_EQ((*sut.Current())->markers.size(), 300U);
}

// Threads of one handle wait for each other within the same bound.
TEST_F(HeaderStoreTest, ManyThreadsThatWaitAreAllToldInTime) {
  const auto holder = Open();
  const auto held = os::ScopedLock::Try(holder->locks(), format::HeaderLock());
  ASSERT_TRUE(held.has_value() && held->has_value());
  const auto file = Open();
  HeaderStore sut(*file, "", std::chrono::milliseconds(200));
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  std::atomic<int> told{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      const auto edited = sut.Edit([](metadata::Header&) -> Result<void> { return {}; });
      if (!edited && edited.error().code() == ErrorCode::kBusy) ++told;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(told, 8);
  // One after the other they would take eight times as long as one.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(8 * 200));
}

// Elements of a list may take no bytes: what a list claims is no measure of what there is.
TEST_F(HeaderStoreTest, AListThatClaimsMillionsOfLanesTakesNoMemory) {
  std::vector<std::byte> message(16 * 8);
  const auto put = [&](std::size_t word, std::uint64_t value) {
    format::StoreField(message, word * 8, value);
  };
  put(0, 15ULL << 32);              // one segment of 15 words
  put(1, 4ULL << 32 | 2ULL << 48);  // the root: four words of data, two pointers
  put(6, 1 | 1ULL << 2 | (500'000ULL << 3 | 7) << 32);  // lanes: structs, in no words
  const auto decoded = metadata::DecodeHeader(message);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kCorrupt);
}

// ---- what a newer program wrote

// Two lanes and a tempo map, with something new in each.
std::vector<std::byte> NewerMessage() {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<newer::Header>();
  root.setNextLaneId(5);
  root.setTuning(432);
  root.initSections(2).set(0, "verse");
  root.getSections().set(1, "chorus");
  root.setAlbum("the union's new member");
  root.initProvenance().setLicense("CC0");
  auto lanes = root.initLanes(3);
  const auto fill = [](newer::Lane::Builder lane, std::uint32_t id, const char* name) {
    lane.setId(id);
    lane.setName(name);
    lane.setKind(newer::Lane::Kind::AUDIO);
    lane.setChannels(2);
    lane.initRate().setNum(8000);
    lane.setSampleFormat(newer::Lane::SampleFormat::FLOAT32);
    lane.setFirstSlot(id);
    lane.setSlotCount(1);
    lane.setGain(0.25 * id);
    lane.initLayout(1).set(0, name);
    lane.initProvenance().setLicense(name);
  };
  fill(lanes[0], 1, "old");
  fill(lanes[1], 2, "holo");
  lanes[1].setKind(newer::Lane::Kind::HOLOGRAM);
  fill(lanes[2], 3, "half");
  lanes[2].setSampleFormat(newer::Lane::SampleFormat::FLOAT16);
  root.setNextTempoMapId(2);
  auto map = root.initTempoMaps(1)[0];
  map.setId(1);
  map.setName("main");
  map.setSwing(0.5);
  auto tempo = map.initTempi(1)[0];
  tempo.setNsPerQuarter(500'000'000);
  tempo.setRamp(true);
  auto meter = map.initMeters(1)[0];
  meter.setNumerator(4);
  meter.setDenominator(4);
  lanes[0].initTags(1)[0].setName("BPM");
  lanes[0].getTags()[0].setTrust(0.75);
  root.setNextMarkerId(3);
  auto markers = root.initMarkers(2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    markers[i].setId(2 - i);
    markers[i].setTimeNum(i);
    markers[i].setEndNum(i + 1);
    markers[i].setIcon(i == 0 ? "a bell" : "a drum");
    markers[i].setWeight(0.5);
  }
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = std::as_bytes(std::span(words.begin(), words.size()));
  return {bytes.begin(), bytes.end()};
}

class NewerHeader : public HeaderStoreTest {
 protected:
  NewerHeader() {
    const format::Root root{7, 1};
    WritePlace(root.place, root.generation, NewerMessage());
    MoveRoot(root);
  }
  // What is current now, as the newer program reads it.
  template <typename Look>
  void AsNewer(Look look) {
    const format::Root root = Root();
    std::vector<std::byte> place(SmallGeometry().header_place_bytes);
    Peek(path_, PlaceAt(root.place), place.data(), place.size());
    const auto length = format::LoadField<std::uint64_t>(place, 16);
    auto words = kj::heapArray<capnp::word>(length / sizeof(capnp::word));
    std::memcpy(words.begin(), place.data() + format::kSnapshotHeaderBytes, length);
    capnp::FlatArrayMessageReader reader(words);
    look(reader.getRoot<newer::Header>());
  }
};

TEST_F(NewerHeader, AnEditKeepsWhatIsNotKnown) {
  const auto file = Open();
  HeaderStore sut(*file);
  const auto edited = sut.Edit([](metadata::Header& header) -> Result<void> {
    header.title = "edited by an older program";
    header.lanes[0].name = "renamed";
    header.lanes[0].provenance.tool = "an older tool";
    header.lanes.push_back(Lane(header.next_lane_id++, "new", 5));
    header.tempo_maps[0].name = "renamed too";
    header.markers[0].name = "named";
    header.markers[0].start = {3, 2};
    header.markers[0].end = {3, 2};
    std::swap(header.markers[0], header.markers[1]);
    header.markers.push_back({header.next_marker_id++, {2, 1}, {2, 1}, LaneId(0), "new"});
    header.provenance.writer = "me";
    return {};
  });
  ASSERT_TRUE(edited.has_value()) << edited.error().Message();
  AsNewer([](newer::Header::Reader header) {
    EXPECT_EQ(header.getTitle(), "edited by an older program");
    EXPECT_EQ(header.getTuning(), 432);
    ASSERT_EQ(header.getSections().size(), 2U);
    EXPECT_EQ(header.getSections()[1], "chorus");
    ASSERT_TRUE(header.isAlbum());
    EXPECT_EQ(header.getAlbum(), "the union's new member");
    EXPECT_EQ(header.getProvenance().getLicense(), "CC0");
    EXPECT_EQ(header.getProvenance().getWriter(), "me");
    ASSERT_EQ(header.getLanes().size(), 4U);
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto lane = header.getLanes()[i];
      EXPECT_EQ(lane.getId(), i + 1);
      EXPECT_EQ(lane.getGain(), 0.25 * (i + 1));
      ASSERT_EQ(lane.getLayout().size(), 1U) << i;
      EXPECT_TRUE(lane.getProvenance().hasLicense());
    }
    EXPECT_EQ(header.getLanes()[0].getName(), "renamed");
    EXPECT_EQ(header.getLanes()[0].getProvenance().getTool(), "an older tool");
    EXPECT_EQ(header.getLanes()[0].getProvenance().getLicense(), "old");
    EXPECT_EQ(header.getLanes()[1].getKind(), newer::Lane::Kind::HOLOGRAM);
    EXPECT_EQ(header.getLanes()[2].getSampleFormat(), newer::Lane::SampleFormat::FLOAT16);
    EXPECT_EQ(header.getLanes()[3].getName(), "new");
    EXPECT_EQ(header.getLanes()[3].getGain(), 1) << "as a newer program's default has it";
    ASSERT_EQ(header.getTempoMaps().size(), 1U);
    EXPECT_EQ(header.getTempoMaps()[0].getName(), "renamed too");
    EXPECT_EQ(header.getTempoMaps()[0].getSwing(), 0.5F);
    EXPECT_TRUE(header.getTempoMaps()[0].getTempi()[0].getRamp());
    EXPECT_EQ(header.getLanes()[0].getTags()[0].getTrust(), 0.75F) << "the list is as it was";
    EXPECT_EQ(header.getNextMarkerId(), 4U);
    ASSERT_EQ(header.getMarkers().size(), 3U);
    const auto drum = header.getMarkers()[0];
    EXPECT_EQ(drum.getId(), 1U);
    EXPECT_EQ(drum.getIcon(), "a drum");
    const auto bell = header.getMarkers()[1];
    EXPECT_EQ(bell.getId(), 2U);
    EXPECT_EQ(bell.getName(), "named");
    EXPECT_EQ(bell.getIcon(), "a bell");
    EXPECT_EQ(bell.getWeight(), 0.5);
    EXPECT_EQ(header.getMarkers()[2].getName(), "new");
    EXPECT_EQ(header.getMarkers()[2].getWeight(), 1) << "as a newer program's default has it";
  });
}

TEST_F(NewerHeader, WhatIsNotKnownGoesWithItsLaneAndWithNoOther) {
  const auto file = Open();
  HeaderStore sut(*file);
  const auto edited = sut.Edit([](metadata::Header& header) -> Result<void> {
    header.lanes.erase(header.lanes.begin());
    return {};
  });
  ASSERT_TRUE(edited.has_value()) << edited.error().Message();
  AsNewer([](newer::Header::Reader header) {
    ASSERT_EQ(header.getLanes().size(), 2U);
    EXPECT_EQ(header.getLanes()[0].getLayout()[0], "holo");
    EXPECT_EQ(header.getLanes()[1].getLayout()[0], "half");
    EXPECT_EQ(header.getLanes()[1].getGain(), 0.75);
  });
}

TEST_F(NewerHeader, LanesOfUnknownKindsAreListedAndLeftAlone) {
  const auto file = Open();
  HeaderStore sut(*file);
  EXPECT_EQ(Names(sut), (Strings{"old", "holo", "half"}));
  EXPECT_FALSE(sut.recovered()) << "not known is no damage";
  const auto header = *sut.Current();
  EXPECT_EQ(header->lanes[1].kind, metadata::LaneKind::kUnknown);
  EXPECT_EQ(header->lanes[2].kind, metadata::LaneKind::kUnknown);
  EXPECT_FALSE(metadata::IsKnown(header->lanes[1].kind));
  // Their slots are taken.
  std::vector<std::uint32_t> free;
  metadata::Header next = *header;
  for (std::uint32_t id = 5; id < 10; ++id) {
    const auto slots =
        metadata::FindSlots(next, file->geometry(), metadata::LaneKind::kAudio, {8000, 1}, 2);
    ASSERT_TRUE(slots.has_value());
    free.push_back(slots->first);
    next.lanes.push_back(Lane(id, std::to_string(id), slots->first));
  }
  EXPECT_EQ(free, (std::vector<std::uint32_t>{0, 4, 5, 6, 7}));
}

}  // namespace
}  // namespace canvas::storage
