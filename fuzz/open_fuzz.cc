// Opens a file of arbitrary bytes, reads everything it claims, in windows too, watches, pins and
// holds it, and writes to what still looks like a lane. Nothing may crash, hang or allocate without
// bound.
//
// Input: one byte of flags, then
//   flag 1 set    the rest is the file
//   flag 1 clear  patches to a good canvas: region and position (u32), length (u8), bytes;
//                 with flag 2, both superblocks are sealed again afterwards, so that their fields
//                 count
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/superblock_format.h"

namespace {

using canvas::Canvas;
using canvas::Frame;

// Seven of the ten pages of the good canvas, so that the limit is met too.
constexpr std::uint64_t kMapLimit = 80 << 20;

canvas::CreateOptions Tiny() {
  canvas::CreateOptions options;
  options.rate = {8000, 1};
  options.page_seconds = 1;
  options.layout.wide_slots = 4;
  options.layout.small_slots = 2;
  options.capacity_seconds = 10;
  options.layout.block_bytes = 512;
  options.layout.extent_bytes = 4096;
  options.layout.slot_align_bytes = 4096;
  options.layout.small_slot_bytes = 16 * 1024;
  options.layout.header_place_bytes = 16 * 1024;
  return options;
}

void Require(bool ok) {
  if (!ok) std::abort();
}

// A good canvas: where its data lies, and the data.
struct Image {
  std::vector<std::pair<off_t, std::vector<std::byte>>> pieces;
  off_t size = 0;
};

Image MakeImage() {
  const char* root = std::getenv("TEST_TMPDIR");
  std::string directory = std::string(root != nullptr ? root : "/tmp") + "/open_fuzz-XXXXXX";
  Require(mkdtemp(directory.data()) != nullptr);
  const std::string path = directory + "/good.canvas";
  Require(Canvas::Create(path, Tiny()).has_value());
  {
    auto sut = Canvas::Open(path, {.access = canvas::Access::kReadWrite, .sync_on_close = false});
    Require(sut.has_value());
    const auto a = sut->AddLane({.name = "a", .channels = 2, .rate = {8000, 1}});
    const auto b = sut->AddLane(
        {.name = "b", .kind = canvas::LaneKind::kSignal, .channels = 1, .rate = {100, 1}});
    Require(a && b);
    const std::vector<float> samples(2 * 9000, 0.5F);
    auto writer = sut->Writer(*a);
    Require(writer && writer->Write(Frame(0), samples) &&
            writer->Write(Frame(10), std::span(samples).first(100)));
    auto other = sut->Writer(*b);
    Require(other && other->Write(Frame(30), std::span(samples).first(50)));
  }
  Image image;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  image.size = lseek(fd, 0, SEEK_END);
  for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0 && at < image.size;) {
    const off_t hole = lseek(fd, at, SEEK_HOLE);
    std::vector<std::byte> bytes(static_cast<std::size_t>(hole - at));
    Require(pread(fd, bytes.data(), bytes.size(), at) == hole - at);
    image.pieces.emplace_back(at, std::move(bytes));
    at = lseek(fd, hole, SEEK_DATA);
  }
  close(fd);
  unlink(path.c_str());
  rmdir(directory.c_str());
  return image;
}

void Put(int fd, off_t at, std::span<const std::byte> bytes) {
  Require(pwrite(fd, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
}

void Seal(int fd) {
  for (const off_t at : {off_t{0}, static_cast<off_t>(canvas::format::kSuperblockBytes)}) {
    canvas::format::SuperblockBytes bytes;
    Require(pread(fd, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
    canvas::format::SealSuperblock(bytes);
    Put(fd, at, bytes);
  }
}

void Patch(int fd, const Image& image, std::span<const std::byte> patches) {
  while (patches.size() > 5) {
    std::uint32_t position = 0;
    std::memcpy(&position, patches.data(), 4);
    const auto& [start, bytes] = image.pieces[position % image.pieces.size()];
    const std::size_t offset = position / image.pieces.size() % bytes.size();
    const std::size_t count =
        std::min({static_cast<std::size_t>(patches[4]), patches.size() - 5, bytes.size() - offset});
    Put(fd, start + static_cast<off_t>(offset), patches.subspan(5, count));
    patches = patches.subspan(5 + count);
  }
}

// Moved to where something is, across the edge of a page, and far away.
void ReadInWindow(const Canvas& sut, const std::vector<canvas::LaneInfo>& lanes,
                  volatile float& sum) {
  std::vector<canvas::LaneId> ids;
  for (const auto& lane : lanes) ids.push_back(lane.id);
  auto window = sut.MakeWindow(ids, {.clock = {8000, 1}, .max_seconds = 2});
  if (!window) return;
  for (const std::int64_t at : {std::int64_t{0}, std::int64_t{7000}, std::int64_t{1} << 60}) {
    (void)window->MoveTo({Frame(at), Frame(at + 9000)});
    (void)window->Report();
    for (const auto& lane : lanes) {
      auto reader = window->Reader(lane.id);
      if (!reader) continue;
      std::vector<float> out(static_cast<std::size_t>(500) * lane.channels);
      (void)reader->Read(Frame(at), out);
      const canvas::View view = reader->ViewAt(Frame(at + 1000), 2000);
      for (const float sample : view.samples()) sum = sum + sample;
    }
  }
}

void Exercise(const std::string& path) {
  volatile float sum = 0;
  for (const auto access : {canvas::Access::kReadOnly, canvas::Access::kReadWrite}) {
    auto sut =
        Canvas::Open(path, {.access = access, .max_map_bytes = kMapLimit, .sync_on_close = false});
    if (!sut) {
      (void)sut.error().Message();
      continue;
    }
    if (sut->capacity_pages() > 4096) continue;  // legal, and slow to look through for a fuzzer
    (void)sut->Check();
    (void)sut->Info();
    (void)sut->Usage();
    (void)sut->Owners();
    (void)sut->TempoMaps();
    (void)sut->Markers();
    if (const auto pin = sut->Pin()) {
      (void)pin->Lanes();
      (void)pin->TempoMaps();
      (void)pin->Markers();
    }
    const auto lanes = sut->Lanes();
    if (!lanes) continue;
    auto watcher = sut->Watch();
    ReadInWindow(*sut, *lanes, sum);
    for (const auto& lane : *lanes) {
      const auto hold = sut->Hold(lane.id, {canvas::PageIndex(9), canvas::PageIndex(1 << 20)});
      auto reader = sut->Reader(lane.id);
      if (!reader) continue;
      (void)reader->Extent();
      (void)reader->WrittenRanges({Frame(0), Frame(std::int64_t{1} << 62)});
      std::vector<float> out(static_cast<std::size_t>(3000) * lane.channels);
      for (const std::int64_t at : {0, 7000, 79000}) {
        (void)reader->Read(Frame(at), out);
        const canvas::View view = reader->ViewAt(Frame(at), 2000);
        for (const float sample : view.samples()) sum = sum + sample;
        (void)view.StillValid();
      }
      if (access == canvas::Access::kReadOnly) continue;
      if (auto writer = sut->Writer(lane.id)) {
        (void)writer->Write(Frame(50), std::span(out).first(100 * lane.channels));
        (void)writer->Append(std::span(out).first(lane.channels));
        (void)writer->Erase({Frame(0), Frame(8000)});
      }
    }
    if (watcher) (void)watcher->Next(std::chrono::milliseconds(0));
    if (access == canvas::Access::kReadOnly) continue;
    (void)sut->AddTempoMap({});
    (void)sut->PunchPage(canvas::PageIndex(0));
    if (!lanes->empty()) (void)sut->RemoveLane(lanes->front().id);
    (void)sut->AddLane({.name = "new", .channels = 1, .rate = {8000, 1}});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Image& image = *new Image(MakeImage());
  if (size == 0) return 0;
  const std::uint8_t flags = data[0];
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  const int fd = memfd_create("open_fuzz", MFD_CLOEXEC);
  Require(fd >= 0);
  if ((flags & 1) != 0) {
    Put(fd, 0, rest);
  } else {
    Require(ftruncate(fd, image.size) == 0);
    for (const auto& [at, bytes] : image.pieces) Put(fd, at, bytes);
    Patch(fd, image, rest);
    if ((flags & 2) != 0) Seal(fd);
  }
  Exercise("/proc/self/fd/" + std::to_string(fd));
  close(fd);
  return 0;
}
