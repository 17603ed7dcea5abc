// Canvas: one file that several processes share, holding lanes of audio and signals along a
// timeline of fixed pages. This is the header users include.
//
//   auto canvas = canvas::Canvas::Open("song.canvas", {.access = canvas::Access::kReadWrite});
//   auto lane = canvas->AddLane({.name = "strings", .channels = 2});
//   auto writer = canvas->Writer(*lane);
//   writer->Write(canvas::Frame(48000), samples);
//   auto reader = canvas->Reader(*lane);
//   reader->Read(canvas::Frame(48000), block);
//
// Invariants
//   I1  A block that was never written costs no disk, reads as zeros, and says that it is
//       unwritten; so do the frames before a page's first written one and behind its last.
//   I2  A lane has one writer at a time over each page.
//   I3  No call throws; what can go wrong is a Result or a status. Want of memory is kNoMemory from
//       any call, and leaves everything as after another error.
//   I4  No call of a writer waits for another process without bound: a stopped one stops nobody
//       for good. (Waiting for the disk is the kernel's.)
//
// Fork: a forked child cannot use its parent's handles, and says so; it opens the canvas itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canvas/api/event_reader.h"
#include "canvas/api/event_writer.h"
#include "canvas/api/feeder.h"
#include "canvas/api/frame_writer.h"
#include "canvas/api/holds.h"
#include "canvas/api/lane.h"
#include "canvas/api/lane_owner.h"
#include "canvas/api/lane_reader.h"
#include "canvas/api/watcher.h"
#include "canvas/api/window.h"
#include "canvas/base/access.h"
#include "canvas/base/error.h"
#include "canvas/base/event.h"
#include "canvas/base/marker.h"
#include "canvas/base/tempo.h"
#include "canvas/base/time.h"
#include "canvas/base/units.h"
#include "canvas/metadata/reports.h"

namespace canvas {

using metadata::OwnerInfo;

// How a canvas lays out its pages: fixed when it is created. The defaults suit nearly all; the
// number of slots is how many lanes there can be.
struct Layout {
  std::uint32_t wide_slots = 64;          // 1 to 1024: one for each stereo lane
  std::uint32_t small_slots = 128;        // 0 to 3072; for lanes of which a page fits one
  std::uint32_t block_bytes = 32 * 1024;  // a power of two from 512
  // The most that is reserved ahead of a writer; a power of two from 4096, at least block_bytes.
  std::uint32_t extent_bytes = 1024 * 1024;
  // What slots start on multiples of: 2 MiB, the largest folio of the page cache, so that giving
  // one slot back faults nobody's window over another. Less (a power of two from 4096) for small
  // models.
  std::uint32_t slot_align_bytes = 2 * 1024 * 1024;
  std::uint64_t small_slot_bytes = 2 * 1024 * 1024;
  std::uint32_t header_place_bytes = 8 * 1024 * 1024;  // the most that one version of it takes

  friend bool operator==(const Layout&, const Layout&) = default;
};

struct CreateOptions {
  Rate rate{48000, 1};              // sizes the wide slots: one holds a page of stereo at it
  std::uint32_t page_seconds = 30;  // 1 to 3600
  std::uint64_t capacity_seconds = 24 * 3600;  // rounded up to whole pages
  std::string title = {};
  std::string tool = {};  // provenance: what makes the canvas
  std::uint32_t mode = 0600;
  bool allow_remote = false;  // network and FUSE file systems, at your own risk
  Layout layout = {};         // for experts
};

struct OpenOptions {
  Access access = Access::kReadOnly;
  std::string name = {};  // told to others who want what you own; default: the program's
  // Address space to use, for what lies within it; a writer takes it twice. 0: the whole capacity,
  // or where there is no room for that, as much as there is, but no less than what the file has.
  std::uint64_t max_map_bytes = 0;
  bool sync_on_close = true;
  // How long an edit of the metadata waits for another process that is in the midst of one; then it
  // is kBusy, and says who that is.
  std::chrono::milliseconds edit_wait{5000};
  bool allow_remote = false;
};

struct CanvasInfo {
  std::string path;
  std::string uuid;
  std::uint16_t format_version = 0;
  std::string title = {};
  std::int64_t created_unix_ns = 0;
  Rate rate;
  std::uint32_t page_seconds = 0;
  Layout layout{0, 0, 0, 0, 0, 0, 0};
  std::uint64_t capacity_pages = 0;
  std::uint64_t ready_pages = 0;   // whose controls are on disk
  std::uint64_t mapped_pages = 0;  // that this handle reaches: see max_map_bytes
  bool header_recovered = false;   // the newest header cannot be read; an older one is in use
};

struct DiskUsage {
  std::uint64_t apparent_bytes = 0;   // the file's size
  std::uint64_t allocated_bytes = 0;  // what the file system counts
  std::uint64_t written_bytes = 0;    // frames that can be read
  struct Lane {
    LaneId id;
    std::string name;
    std::uint64_t written_bytes = 0;
  };
  std::vector<Lane> lanes;
};

using metadata::CheckReport;

// Whether a file begins as a canvas does, whatever its name and however it goes on: for a caller
// that is about to replace it. False where it cannot be read.
bool LooksLikeCanvas(const std::string& path) noexcept;

struct OwnOptions {
  PageRange pages{PageIndex(0), PageIndex(1 << 20)};  // all that a canvas can have
  std::chrono::milliseconds wait{0};
};

// Concurrency: several threads at once, but for moves and Close; what is made from it says for
// itself. Calls that look wait for nobody. Edits wait for another's, at most edit_wait; Own, Writer
// and WaitForChange as long as they are told; what stores waits for the disk.
// Realtime: no call is for a realtime thread, but for ChangeCount.
class Canvas {
 public:
  // Makes a new canvas at `path`: whole, or not at all. Blocks until it is on disk.
  // Errors: kInvalidArgument, kExists, kNotFound (directory), kPermission, kReadOnly, kNoSpace,
  // kUnsupported (file system), kIo.
  static Result<void> Create(const std::string& path, const CreateOptions& options = {});

  // Makes a canvas at `into` that shares its blocks with the one at `path`, where the file system
  // can (xfs, btrfs): at once, and at no cost until either is written to. It has a uuid of its own.
  // Beside writers (shown on xfs) it is as if all of them had been killed at one instant: what a
  // writer had stored by then is there, across blocks and lanes; a block in the midst of an
  // overwrite reads as its old version, and the next owner mends it. Nobody's writing fails of it;
  // it waits meanwhile. What is still shared is copied when it is written to, in either of the two.
  // Room for that is not reserved: where the disk is full by then, a writer of either faults
  // (SIGBUS).
  // Errors: as Create and Open; kUnsupported: the file system has no reflinks, or is another.
  static Result<void> Reflink(const std::string& path, const std::string& into,
                              bool allow_remote = false);

  // How long the file would be, in bytes, if every page of its capacity were used: no file system
  // makes one for which that is too much. Errors: kInvalidArgument.
  static Result<std::uint64_t> LargestFile(const CreateOptions& options);

  // Opens one. Errors: kNotFound, kPermission, kNotACanvas, kUnsupported, kCorrupt, kIo.
  static Result<Canvas> Open(const std::string& path, const OpenOptions& options = {});

  Canvas(Canvas&&) noexcept;
  Canvas& operator=(Canvas&&) noexcept;
  // Readers and writers made from it stay usable, and keep it open. With the last of them, what was
  // written is synced, where so asked (OpenOptions), and nobody is told whether that worked: Close
  // can.
  ~Canvas();
  // Afterwards, and after a move, every call that can fail says kClosed, but for Close itself,
  // which has nothing left to do.
  Result<void> Close();

  // Empty after Close and after a move, and where there is no memory for it.
  CanvasInfo Info() const noexcept;
  // How many pages the timeline has room for.
  std::uint64_t capacity_pages() const;

  // Lanes, ascending by id; a snapshot of the moment.
  Result<std::vector<LaneInfo>> Lanes() const;
  // The same, with how much of each is written: in one look at the pages, where LaneReader::Extent
  // takes one for each lane.
  Result<std::vector<LaneSummary>> LaneExtents() const;
  Result<LaneInfo> FindLane(std::string_view name) const;
  Result<LaneInfo> FindLane(LaneId id) const;

  // Edits of the metadata. Errors of each, besides its own: kBusy (another process is editing for
  // longer than edit_wait), kLimit (the header is full, or all its places are pinned), kCorrupt
  // (the newest header is lost), kUnsupported (a lane whose kind is not known here), kNoSpace.
  //
  // Errors: kInvalidArgument (name, channels, rate, tempo map), kExists (name), kLimit (no free
  // slots, of the kinds that would do: how many of each are).
  Result<LaneId> AddLane(const LaneSpec& spec);
  Result<void> RenameLane(LaneId id, const std::string& name);
  Result<void> DescribeLane(LaneId id, const std::string& description);
  // What is kept of the file that the lane came from, in place of what was. Errors:
  // kInvalidArgument (a name or value that is none, or too many), kNotFound.
  Result<void> TagLane(LaneId id, const std::vector<SourceTag>& tags);
  // Its markers go with it.
  // Gives all its space back, as the last thing that can fail: what it held stays where the lane
  // cannot be removed. But a window or a hold over one of its pages is met on the way (kBusy): the
  // pages before that one are given back then. Waits for the disk, so that a power loss does not
  // give its samples to the next lane in its slots. Others' edits wait meanwhile.
  // Errors: kOwned, kBusy, kNotFound.
  Result<void> RemoveLane(LaneId id);
  // The same, for the owner of all its pages: no other process can take the lane in between.
  Result<void> RemoveLane(LaneOwner owner);

  // Tempo maps, ascending by id; ids are never reused. canvas/base/tempo.h turns ticks into frames.
  // Errors: kInvalidArgument (not a map; its id is given here), kLimit.
  Result<std::uint32_t> AddTempoMap(const TempoMap& map);
  Result<void> RemoveTempoMap(std::uint32_t id);
  Result<std::vector<TempoMap>> TempoMaps() const;

  // Markers (canvas/base/marker.h: what they are, and how many and how long), ascending by start,
  // then by id: a snapshot of the moment. Errors: kClosed, kCorrupt, kNoMemory.
  Result<std::vector<Marker>> Markers() const;
  // Edits of the metadata, as above. Times are exact seconds; they need not be in lowest terms, and
  // are kept so. The id is given here, whatever `marker` has there: ids are never reused. Of
  // several, all are added or none; their ids are in a row, in the order of `markers`, and the
  // first is answered (of none, the next).
  // Errors: kInvalidArgument (as ValidateMarker says), kNotFound (its lane), kLimit (kMaxMarkers,
  // or all ids).
  Result<std::uint32_t> AddMarker(const Marker& marker);
  Result<std::uint32_t> AddMarkers(std::span<const Marker> markers);
  // Puts `marker` in place of the one with its id: whoever edits one that others edit too
  // overwrites what they changed meanwhile. Errors: as AddMarker, and kNotFound (its id). A lane
  // that is gone may stay.
  Result<void> SetMarker(const Marker& marker);
  // Errors: kNotFound.
  Result<void> RemoveMarker(std::uint32_t id);

  // Becomes the owner of a lane over pages; repairs first what a dead owner left half done. Waits
  // for the present owner at most `options.wait`: until it lets go, or dies.
  // Errors: kOwned naming the holder, kNotFound, kInvalidArgument (no pages), kReadOnly.
  // Concurrency: blocking where it is to wait. Of several that wait, any may be next.
  Result<LaneOwner> Own(LaneId id, const OwnOptions& options = {});
  // The same, to write frames. Errors: as Own; kUnsupported (the lane's kind holds no frames).
  // Concurrency: as Own.
  Result<FrameWriter> Writer(LaneId id, const OwnOptions& options = {});
  Result<std::vector<OwnerInfo>> Owners() const;

  Result<LaneReader> Reader(LaneId id) const;

  // The same, of a lane of events. Errors: as Writer and Reader; kUnsupported (it holds none).
  Result<EventWriter> EventsWriter(LaneId id, const OwnOptions& options = {});
  Result<EventReader> Events(LaneId id) const;

  // A window over these lanes, for realtime readers; covers nothing until it is moved. A lane's
  // page that it covers is not given back. Errors: kNotFound, kInvalidArgument.
  Result<Window> MakeWindow(std::span<const LaneId> lanes, const WindowOptions& options = {}) const;

  // Holds the metadata as it is now. Errors: kBusy (it kept changing), kCorrupt, kIo.
  Result<MetadataPin> Pin() const;
  // Holds a lane's parts of some pages, there already or not. Errors: kNotFound, kBusy, kIo.
  Result<PageHold> Hold(LaneId id, PageRange pages) const;

  // A number that grows at every publish of any process, modulo 2^32.
  // Realtime: wait-free, one load; it faults where the file's first pages are not in memory.
  std::uint32_t ChangeCount() const noexcept;
  // Sleeps while it is `seen`, at most `timeout`; answers it as it is then. Edits of the metadata
  // and owners wake at once; of writes the first, and then one every 10 ms: one that is followed
  // by nothing, not even a Flush, wakes nobody. So wait in bounded stretches, and look.
  std::uint32_t WaitForChange(std::uint32_t seen, std::chrono::milliseconds timeout) const noexcept;
  // What those numbers stand for.
  Result<Watcher> Watch() const;

  // Makes the timeline longer: at least so many seconds, in whole pages. It never becomes shorter.
  // Handles that are open reach as far as before, this one too; those opened from now on, all of
  // it. Waits for the disk. Errors: as an edit of the metadata; kInvalidArgument (shorter than it
  // is), kLimit (more pages than there can be).
  Result<void> RaiseCapacity(std::uint64_t seconds);

  // Pages become ready by themselves when they are written to; this does it ahead of time.
  Result<void> AllocatePage(PageIndex page);
  // Gives every lane's part of a page back, but of lanes whose kind is not known here.
  // Errors: kOwned, kBusy.
  Result<void> PunchPage(PageIndex page);

  Result<DiskUsage> Usage() const;
  // What is visible now is on disk when this returns. Errors are sticky: see CanvasFile::Sync.
  Result<void> Sync();
  // Looks at everything that can be looked at without writing.
  Result<CheckReport> Check() const;

 private:
  friend struct Insides;
  explicit Canvas(std::shared_ptr<CanvasCore> core);
  Result<void> CheckOpen() const;
  CanvasInfo InfoOf() const;
  Result<LaneOwner> OwnNow(LaneId id, PageRange pages);
  std::shared_ptr<CanvasCore> core_;
};

}  // namespace canvas
