// The lane table, tempo maps and markers: added, renamed, described, removed, by one process and by
// several handles.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"

namespace canvas {
namespace {

using testing::CodeOf;
using testing::Must;
using testing::OpenForWriting;
using testing::Samples;
using testing::SmallCanvas;

class Lanes : public testing::CanvasTest {
 protected:
  Lanes() { Must(Canvas::Create(path_, SmallCanvas())); }
  LaneSpec Spec(const std::string& name, std::uint32_t channels = 1) {
    return {.name = name, .channels = channels, .rate = {8000, 1}};
  }
};

TEST_F(Lanes, AreListedAsTheyWereAdded) {
  Canvas sut = OpenForWriting(path_);
  Must(sut.AddLane({.name = "strings",
                    .channels = 2,
                    .rate = {44100, 100},
                    .description = "warm",
                    .speakers = 0x3}));
  const auto lanes = Must(sut.Lanes());
  ASSERT_EQ(lanes.size(), 1U);
  EXPECT_EQ(lanes[0].name, "strings");
  EXPECT_EQ(lanes[0].channels, 2U);
  EXPECT_EQ(lanes[0].rate, (Rate{441, 1}));
  EXPECT_EQ(lanes[0].description, "warm");
  EXPECT_EQ(lanes[0].speakers, 0x3U);
  EXPECT_EQ(lanes[0].kind, LaneKind::kAudio);
}

TEST_F(Lanes, SurviveClosingAndShowInOtherHandlesAtOnce) {
  Canvas other = Must(Canvas::Open(path_));
  {
    Canvas sut = OpenForWriting(path_);
    Must(sut.AddLane(Spec("a")));
    EXPECT_EQ(Must(other.Lanes()).size(), 1U);
  }
  EXPECT_EQ(Must(Must(Canvas::Open(path_)).Lanes()).size(), 1U);
}

TEST_F(Lanes, IdsAreNeverReused) {
  Canvas sut = OpenForWriting(path_);
  std::set<LaneId> seen;
  for (int i = 0; i < 40; ++i) {  // five times the slots there are
    const LaneId id = Must(sut.AddLane(Spec("a")));
    EXPECT_TRUE(seen.insert(id).second);
    Must(sut.RemoveLane(id));
    EXPECT_EQ(CodeOf(sut.FindLane(id)), ErrorCode::kNotFound);
  }
}

TEST_F(Lanes, ANewLaneInAnOldSlotStartsEmpty) {
  Canvas sut = OpenForWriting(path_);
  const LaneId first = Must(sut.AddLane(Spec("a", 2)));
  Must(Must(sut.Writer(first)).Write(Frame(0), Samples(1, 0, 30000, 2)));
  LaneReader stale = Must(sut.Reader(first));
  std::vector<float> out(200);
  EXPECT_EQ(stale.Read(Frame(0), out).status, ReadStatus::kOk);
  Must(sut.RemoveLane(first));
  const LaneId second = Must(sut.AddLane(Spec("b", 2)));
  LaneReader reader = Must(sut.Reader(second));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kUnwritten);
  Must(Must(sut.Writer(second)).Write(Frame(0), Samples(2, 0, 100, 2)));
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
  EXPECT_EQ(out, Samples(2, 0, 100, 2));
  EXPECT_EQ(stale.Read(Frame(0), out).status, ReadStatus::kUnwritten)
      << "a reader of the lane that went does not see the one that came";
}

TEST_F(Lanes, RenamingAndDescribingKeepWhatIsWritten) {
  Canvas sut = OpenForWriting(path_);
  const LaneId id = Must(sut.AddLane(Spec("a")));
  Must(sut.AddLane(Spec("b")));
  Must(Must(sut.Writer(id)).Write(Frame(0), Samples(1, 0, 100, 1)));
  Must(sut.RenameLane(id, "c"));
  Must(sut.RenameLane(id, "c"));
  Must(sut.DescribeLane(id, "text"));
  EXPECT_EQ(CodeOf(sut.RenameLane(id, "b")), ErrorCode::kExists);
  EXPECT_EQ(CodeOf(sut.RenameLane(LaneId(99), "x")), ErrorCode::kNotFound);
  EXPECT_EQ(Must(sut.FindLane("c")).description, "text");
  LaneReader reader = Must(sut.Reader(id));
  std::vector<float> out(100);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kOk);
}

TEST_F(Lanes, BadNamesAndShapesAreRefused) {
  Canvas sut = OpenForWriting(path_);
  Must(sut.AddLane(Spec("a")));
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("a"))), ErrorCode::kExists);
  for (const std::string& name : {std::string(), std::string(300, 'x'), std::string("\xff\xfe")})
    EXPECT_EQ(CodeOf(sut.AddLane(Spec(name))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("b", 0))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("b", 5000))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 2, .speakers = 0x7})),
            ErrorCode::kInvalidArgument)
      << "three speakers for two channels";
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 2, .rate = {0, 1}})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 2, .rate = {8000, 0}})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .channels = 2, .rate = {192000, 1}})),
            ErrorCode::kInvalidArgument)
      << "24 slots, and there are 8";
  EXPECT_EQ(CodeOf(sut.AddLane({.name = "b", .kind = LaneKind::kBus})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(Must(sut.Lanes()).size(), 1U) << "nothing was half added";
}

TEST_F(Lanes, AFullTableSaysSo) {
  Canvas sut = OpenForWriting(path_);
  for (int i = 0; i < 8; ++i) Must(sut.AddLane(Spec(std::to_string(i), 2)));
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("9"))), ErrorCode::kLimit);
  Must(sut.RemoveLane(Must(sut.FindLane("3")).id));
  Must(sut.RemoveLane(Must(sut.FindLane("5")).id));
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("wide", 4))), ErrorCode::kLimit)
      << "two free slots, not in a row";
  Must(sut.AddLane(Spec("9")));
}

TEST_F(Lanes, AReadOnlyHandleChangesNothing) {
  { Must(OpenForWriting(path_).AddLane(Spec("a"))); }
  Canvas sut = Must(Canvas::Open(path_));
  const LaneId id = Must(sut.FindLane("a")).id;
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("b"))), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.RenameLane(id, "b")), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.RemoveLane(id)), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.Own(id)), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.Writer(id)), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.AddMarker({})), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.AllocatePage(PageIndex(0))), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.PunchPage(PageIndex(0))), ErrorCode::kReadOnly);
  EXPECT_EQ(CodeOf(sut.Sync()), ErrorCode::kReadOnly);
}

TEST_F(Lanes, AClosedOrMovedFromHandleSaysSo) {
  Canvas sut = OpenForWriting(path_);
  const LaneId id = Must(sut.AddLane(Spec("a")));
  LaneReader reader = Must(sut.Reader(id));
  Must(sut.Close());
  Must(sut.Close());
  EXPECT_EQ(CodeOf(sut.Lanes()), ErrorCode::kClosed);
  EXPECT_EQ(CodeOf(sut.AddLane(Spec("b"))), ErrorCode::kClosed);
  EXPECT_EQ(CodeOf(sut.Own(id)), ErrorCode::kClosed);
  EXPECT_EQ(CodeOf(sut.Writer(id)), ErrorCode::kClosed);
  EXPECT_EQ(CodeOf(sut.Reader(id)), ErrorCode::kClosed);
  EXPECT_EQ(CodeOf(sut.Check()), ErrorCode::kClosed);
  EXPECT_EQ(sut.capacity_pages(), 0U);
  std::vector<float> out(10);
  EXPECT_EQ(reader.Read(Frame(0), out).status, ReadStatus::kUnwritten) << "it keeps the file open";
  Canvas first = OpenForWriting(path_);
  const Canvas second = std::move(first);
  EXPECT_EQ(CodeOf(first.Lanes()), ErrorCode::kClosed);
  EXPECT_TRUE(second.Lanes().has_value());
}

TEST_F(Lanes, RemovingThroughAMappingThatDoesNotReachTheEndIsRefused) {
  { Must(OpenForWriting(path_).AddLane(Spec("a"))); }
  Canvas sut = Must(Canvas::Open(path_, {.access = Access::kReadWrite, .max_map_bytes = 32 << 20}));
  EXPECT_EQ(CodeOf(sut.RemoveLane(Must(sut.FindLane("a")).id)), ErrorCode::kLimit);
  EXPECT_EQ(Must(sut.Lanes()).size(), 1U);
}

TEST_F(Lanes, TheExtentsOfAllLanesAreWhatTheirReadersSay) {
  Canvas sut = OpenForWriting(path_);
  std::vector<LaneId> lanes;
  for (const char* name : {"a", "b", "wide", "gone", "nothing", "erased"}) {
    LaneSpec spec = Spec(name);
    spec.channels = name == std::string_view("wide") ? 6 : 1;
    lanes.push_back(Must(sut.AddLane(spec)));
  }
  const auto write = [&](LaneId lane, std::int64_t at, std::uint64_t samples) {
    Must(Must(sut.Writer(lane)).Write(Frame(at), std::vector<float>(samples, 0.5F)));
  };
  write(lanes[0], 7990, 20);
  write(lanes[0], 99 * 8000 + 5, 10);
  write(lanes[1], 5 * 8000, 3000);
  write(lanes[2], 40 * 8000 + 1, 6 * 12000);
  write(lanes[3], 7000, 20000);
  write(lanes[5], 16000, 20000);
  Must(sut.RemoveLane(lanes[3]));
  lanes[3] = Must(sut.AddLane(Spec("in its slot")));
  Must(Must(sut.Own(lanes[5])).Erase({Frame(24000), Frame(40000)}));

  const Canvas other = Must(Canvas::Open(path_));
  const auto summaries = Must(other.LaneExtents());
  const auto infos = Must(other.Lanes());
  ASSERT_EQ(summaries.size(), 6U);
  std::vector<std::uint64_t> written;
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    const auto& [lane, extent] = summaries[i];
    EXPECT_EQ(lane.id, infos[i].id);
    EXPECT_EQ(lane.name, infos[i].name);
    const LaneExtent one = Must(other.Reader(lane.id)).Extent();
    EXPECT_EQ(extent.written_frames, one.written_frames) << lane.name;
    EXPECT_EQ(extent.first, one.first) << lane.name;
    EXPECT_EQ(extent.end, one.end) << lane.name;
    written.push_back(extent.written_frames);
  }
  EXPECT_EQ(written, (std::vector<std::uint64_t>{30, 3000, 12000, 0, 8000, 0}));
  // What is written meanwhile is in the next answer.
  write(lanes[4], 50 * 8000, 7);
  EXPECT_EQ(Must(other.LaneExtents())[3].extent.written_frames, 7U);
}

TEST_F(Lanes, TempoMapsAreKeptById) {
  Canvas sut = OpenForWriting(path_);
  const TempoMap map{0, "main", {{Tick(0), 500'000'000}}, {{Tick(0), 7, 8}}};
  const std::uint32_t first = Must(sut.AddTempoMap(map));
  const std::uint32_t second = Must(sut.AddTempoMap(map));
  Must(sut.RemoveTempoMap(first));
  EXPECT_EQ(CodeOf(sut.RemoveTempoMap(first)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(sut.AddTempoMap({})), ErrorCode::kInvalidArgument);
  const auto maps = Must(Must(Canvas::Open(path_)).TempoMaps());
  ASSERT_EQ(maps.size(), 1U);
  EXPECT_EQ(maps[0].id, second);
  EXPECT_EQ(maps[0].meters, map.meters);
  EXPECT_GT(Must(sut.AddTempoMap(map)), second);
}

TEST_F(Lanes, TagsAreKeptAsTheyWereGiven) {
  Canvas sut = OpenForWriting(path_);
  const std::vector<SourceTag> tags{{"BPM", "127.5"}, {"KEY", "F♯m"}};
  LaneSpec spec = Spec("a");
  spec.tags = tags;
  const LaneId id = Must(sut.AddLane(spec));
  EXPECT_EQ(Must(Must(Canvas::Open(path_)).FindLane(id)).tags, tags);
  Must(sut.TagLane(id, {{"BPM", "90"}}));
  EXPECT_EQ(Must(sut.FindLane(id)).tags, (std::vector<SourceTag>{{"BPM", "90"}}));
  EXPECT_EQ(CodeOf(sut.TagLane(id, {{"A=B", "90"}})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(sut.TagLane(LaneId(9), {})), ErrorCode::kNotFound);
  spec.name = "b";
  spec.tags = {{"", "x"}};
  EXPECT_EQ(CodeOf(sut.AddLane(spec)), ErrorCode::kInvalidArgument);
}

TEST_F(Lanes, MarkersAscendByTimeAndTheirIdsAreNeverReused) {
  Canvas sut = OpenForWriting(path_);
  const LaneId lane = Must(sut.AddLane(Spec("a")));
  const Marker verse{.start = {96000, 48000},
                     .end = {7, 2},
                     .lane = lane,
                     .name = "verse",
                     .color = 0x00FF00,
                     .tags = {"section", "quiet"},
                     .json = R"({"take":3})"};
  const std::uint32_t first = Must(sut.AddMarker(verse));
  EXPECT_EQ(first, 1U);
  const std::vector<Marker> more{{.id = 99, .start = {2, 1}, .end = {2, 1}, .name = "same time"},
                                 {.start = {1, 44100}, .end = {1, 44100}, .name = "early"}};
  EXPECT_EQ(Must(sut.AddMarkers(more)), 2U);
  EXPECT_EQ(Must(sut.AddMarkers({})), 4U) << "none were added";
  const auto markers = Must(Must(Canvas::Open(path_)).Markers());
  ASSERT_EQ(markers.size(), 3U);
  EXPECT_EQ(markers[0].id, 3U);
  EXPECT_EQ(markers[1].start, (Time{2, 1})) << "in lowest terms";
  EXPECT_TRUE(markers[1].is_range());
  EXPECT_EQ(markers[1].tags, verse.tags);
  EXPECT_EQ(markers[1].json, verse.json);
  EXPECT_EQ(markers[1].lane, lane);
  EXPECT_EQ(markers[2].id, 2U) << "at one time, by id";
  EXPECT_FALSE(markers[2].is_range());
  const MetadataPin pin = Must(sut.Pin());

  Marker changed = markers[0];
  changed.start = changed.end = {10, 4};
  Must(sut.SetMarker(changed));
  EXPECT_EQ(Must(sut.Markers()).back().start, (Time{5, 2}));
  Must(sut.RemoveMarker(2));
  EXPECT_EQ(CodeOf(sut.RemoveMarker(2)), ErrorCode::kNotFound);
  changed.id = 2;
  EXPECT_EQ(CodeOf(sut.SetMarker(changed)), ErrorCode::kNotFound);
  EXPECT_EQ(Must(sut.AddMarker({})), 4U);
  EXPECT_EQ(Must(pin.Markers()), markers) << "as they were";

  Marker bad = verse;
  bad.lane = LaneId(7);
  EXPECT_EQ(CodeOf(sut.AddMarker(bad)), ErrorCode::kNotFound);
  bad = verse;
  bad.end = {1, 1};
  EXPECT_EQ(CodeOf(sut.AddMarker(bad)), ErrorCode::kInvalidArgument);
  bad = verse;
  bad.start = {-1, 1};
  const std::vector<Marker> half{verse, bad};
  EXPECT_EQ(CodeOf(sut.AddMarkers(half)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Must(sut.Markers()).size(), 3U) << "all or none";
  EXPECT_EQ(CodeOf(sut.AddMarkers(std::vector<Marker>(kMaxMarkers))), ErrorCode::kLimit);

  // A lane's go with it.
  Must(sut.RemoveLane(lane));
  for (const Marker& marker : Must(sut.Markers())) EXPECT_EQ(marker.lane, LaneId(0));
  EXPECT_EQ(Must(sut.Markers()).size(), 2U);
  EXPECT_TRUE(Must(sut.Check()).ok());
}

TEST_F(Lanes, HundredsOfEditsRotateThroughThePlaces) {
  Canvas sut = OpenForWriting(path_);
  Canvas reader = Must(Canvas::Open(path_));
  const LaneId id = Must(sut.AddLane(Spec("a")));
  for (int i = 0; i < 300; ++i) {
    Must(sut.DescribeLane(id, std::to_string(i)));
    ASSERT_EQ(Must(reader.FindLane(id)).description, std::to_string(i));
  }
  EXPECT_EQ(CodeOf(sut.DescribeLane(id, std::string(100'000, 'x'))), ErrorCode::kLimit)
      << "larger than a place";
  EXPECT_EQ(Must(reader.FindLane(id)).description, "299");
  EXPECT_TRUE(Must(reader.Check()).ok());
}

}  // namespace
}  // namespace canvas
