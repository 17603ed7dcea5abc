// The power goes while a canvas grows, on a real ext4: the device is copied at bad moments, the
// copy is mounted (which replays its journal), and the canvas on it must open, with everything that
// was synced.
//
//   power_growth_stress [--pages=20] [--mutant=1]
//
// A copy during which the kernel wrote to the device is no moment, and is made again.
//
// The bad moment is made, not waited for: after each growth the pages of the file that hold shared
// words are written back (sync_file_range(2), which commits no journal), so the disk has the words
// and not yet the size. What is copied is what a power loss then leaves.
//
// --mutant=1 stores the durable bytes before the size is on disk, as a growth without its barrier
// would: the rig must then find a canvas that does not open. It always does that as well, on a
// second device, so that a rig that sees nothing fails.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/control_words.h"
#include "canvas/format/geometry.h"
#include "canvas/testing/testing.h"
#include "stress/rig.h"

namespace canvas::stress {
namespace {

constexpr std::int64_t kRate = 48000;
constexpr std::int64_t kPageFramesHere = 30 * kRate;

// False, with why, where a command fails.
bool Shell(const std::string& command, std::string* why = nullptr) {
  const std::string whole = command + " 2>&1";
  FILE* pipe = popen(whole.c_str(), "r");
  if (pipe == nullptr) return false;
  std::string said;
  char line[256];
  while (std::fgets(line, sizeof line, pipe) != nullptr) said += line;
  const bool good = pclose(pipe) == 0;
  if (!good && why != nullptr) *why = said;
  return good;
}

// A file system in a file, mounted for as long as this lives.
class Device {
 public:
  Device(std::string image, std::string mount_point)
      : image_(std::move(image)), mount_point_(std::move(mount_point)) {
    std::filesystem::create_directories(mount_point_);
    mounted_ = Shell(fmt::format("mount -o loop '{}' '{}'", image_, mount_point_), &why_);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() {
    if (mounted_) Shell(fmt::format("umount '{}'", mount_point_));
  }
  bool mounted() const { return mounted_; }
  const std::string& why() const { return why_; }
  std::string path(const std::string& name) const { return mount_point_ + "/" + name; }

 private:
  std::string image_;
  std::string mount_point_;
  std::string why_;
  bool mounted_ = false;
};

// Writes the file's shared words back, and commits nothing.
void WriteBackWords(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  constexpr unsigned kFlags =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  // Control words and owner table; the page index.
  if (sync_file_range(fd, 0, 4 << 20, kFlags) != 0) Broken("sync_file_range");
  close(fd);
}

void StoreDurableBytes(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status {};
  fstat(fd, &status);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (pwrite(fd, &size, 8, format::kControlOffset + format::control::kDurableBytes) != 8)
    Broken("pwrite");
  close(fd);
}

// What the kernel has written to the loop device of an image so far, and has under way.
std::string Writes(const std::string& image) {
  std::string device;
  FILE* pipe = popen(fmt::format("losetup -n -O NAME -j '{}'", image).c_str(), "r");
  char line[256];
  if (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) device = line;
  if (pipe != nullptr) pclose(pipe);
  device = device.substr(device.rfind('/') + 1);
  while (!device.empty() && device.back() <= ' ') device.pop_back();
  std::ifstream stat(fmt::format("/sys/block/{}/stat", device));
  std::string field;
  std::string writes;
  for (int i = 1; stat >> field && i <= 9; ++i)  // Documentation/block/stat.rst
    if (i == 5 || i == 9) writes += field + " ";
  if (writes.empty()) Broken("no statistics of the loop device");
  return writes;
}

// Into a new file, always: mount(8) takes a loop device that is still there for the file that was
// copied to before, and that one remembers what it held.
void CopyAtRest(const std::string& image, const std::string& copy) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const std::string before = Writes(image);
    if (!Shell(fmt::format("rm -f '{1}' && cp --sparse=always '{0}' '{1}'", image, copy)))
      Broken("cp");
    if (before.ends_with(" 0 ") && Writes(image) == before) return;
  }
  Broken("the device is never at rest");
}

// An empty ext4 in a file.
std::string FreshImage(const testing::TempDir& directory) {
  std::string image = directory.path("device.img");
  if (!Shell(fmt::format("rm -f '{0}' && truncate -s 256M '{0}' && mkfs.ext4 -q -F '{0}'", image)))
    Broken("mkfs.ext4");
  return image;
}

struct Found {
  int images = 0;
  int unopenable = 0;
  int shorter = 0;  // than the pages that were ready when the power went
  std::string wrong;
};

// What is on a copy of the device. `synced`: so many pages were, before it was taken.
void Judge(const testing::TempDir& directory, const std::string& image, std::int64_t synced,
           std::int64_t grown, Found& found) {
  const std::string copy = directory.path("copy.img");
  CopyAtRest(image, copy);
  const Device device(copy, directory.path("after"));
  if (!device.mounted()) Broken("the copy does not mount: " + device.why());
  ++found.images;
  const auto blame = [&](const std::string& what) {
    if (found.wrong.empty()) found.wrong = fmt::format("image {}: {}", found.images, what);
  };
  auto opened =
      Canvas::Open(device.path("sut.canvas"), {.access = Access::kReadWrite, .name = "after"});
  if (!opened) {
    ++found.unopenable;
    return blame(opened.error().Message());
  }
  // The file reaches over the lost pages again.
  Must(opened->AllocatePage(PageIndex(static_cast<std::uint32_t>(grown) + 20)));
  const auto ready = static_cast<std::int64_t>(opened->Info().ready_pages) - 1;
  if (ready < grown) ++found.shorter;
  if (ready < synced) blame(fmt::format("{} pages of {} that were synced", ready, synced));
  const CheckReport report = Must(opened->Check());
  if (!report.ok()) blame(report.findings.front());
  const LaneId lane = Must(opened->FindLane("a")).id;
  LaneReader reader = Must(opened->Reader(lane));
  std::vector<float> out(2 * 1000);
  for (std::int64_t page = 0; page < synced; ++page)
    if (reader.Read(Frame(page * kPageFramesHere), out).status != ReadStatus::kOk ||
        EpochOf(out, 1, page * kPageFramesHere).epoch != 1)
      blame(fmt::format("page {}, which was synced, does not read", page));
  // What was lost is made anew.
  FrameWriter writer = Must(opened->Writer(lane));
  for (const std::int64_t page : {grown - 1, grown}) {
    const Frame at(page * kPageFramesHere);
    if (auto written = writer.Write(at, Stamped(1, at.value(), 1000, 2)); !written)
      blame(written.error().Message());
    if (reader.Read(at, out).status != ReadStatus::kOk || EpochOf(out, 1, at.value()).epoch != 2)
      blame("a page that was written after the power came back does not read");
  }
}

Found Run(const testing::TempDir& directory, std::int64_t pages, bool mutant) {
  const std::string image = FreshImage(directory);
  const Device device(image, directory.path("mounted"));
  if (!device.mounted()) Broken(device.why());
  const std::string path = device.path("sut.canvas");
  Must(Canvas::Create(path, {.capacity_seconds = 3600}));
  Canvas sut = Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  const LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2}));
  FrameWriter writer = Must(sut.Writer(lane));
  Must(sut.Sync());
  Found found;
  std::int64_t synced = 0;
  for (std::int64_t page = 0; page < pages && found.unopenable == 0; ++page) {
    const Frame at(page * kPageFramesHere);
    Must(writer.Write(at, Stamped(1, at.value(), 1000, 1)));
    if (mutant) StoreDurableBytes(path);
    WriteBackWords(path);
    Judge(directory, image, synced, page + 1, found);
    if (page % 4 == 3) {
      Must(sut.Sync());
      synced = page + 1;
      Judge(directory, image, synced, page + 1, found);
    }
  }
  return found;
}

// A lane is removed and another gets its slot. On the disk: the new one's controls, and of the
// versions and samples what was there when they were last synced. Whether it reads as the removed
// one's.
bool ReadsAnothersFrames(const testing::TempDir& directory, std::string& wrong) {
  const std::string image = FreshImage(directory);
  const Device device(image, directory.path("mounted"));
  if (!device.mounted()) Broken(device.why());
  const std::string path = device.path("sut.canvas");
  Must(Canvas::Create(path, {.capacity_seconds = 3600}));
  Canvas sut = Must(Canvas::Open(path, {.access = Access::kReadWrite, .sync_on_close = false}));
  const LaneId secret = Must(sut.AddLane({.name = "secret", .channels = 2}));
  Must(Must(sut.Writer(secret)).Write(Frame(0), Stamped(7, 0, kRate, 1)));
  // Every place of the header has been used, so that none of them waits for the journal.
  for (int i = 0; i < 20; ++i) Must(sut.DescribeLane(secret, std::to_string(i)));
  Must(sut.Sync());
  Must(sut.RemoveLane(secret));
  const LaneId next = Must(sut.AddLane({.name = "next", .channels = 2}));
  FrameWriter writer = Must(sut.Writer(next));
  Must(writer.Write(Frame(0), Stamped(8, 0, 1000, 1)));
  Must(writer.Write(Frame(kRate - 1000), Stamped(8, kRate - 1000, 1000, 1)));
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  const auto geometry = Must(format::Geometry::Make([] {
    format::GeometryFields fields;
    fields.capacity_pages = 120;
    return fields;
  }()));
  constexpr unsigned kFlags =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  const auto page = static_cast<off_t>(geometry.Page(PageIndex(0)).value());
  const auto controls = static_cast<off_t>(geometry.SlotControl({}));
  if (sync_file_range(fd, 0, page + 4096, kFlags) != 0 ||
      sync_file_range(fd, page + controls, 4096, kFlags) != 0)
    Broken("sync_file_range");
  close(fd);
  const std::string copy = directory.path("copy.img");
  CopyAtRest(image, copy);
  const Device after(copy, directory.path("after"));
  const Canvas found = Must(Canvas::Open(after.path("sut.canvas")));
  const auto lane = found.FindLane("next");
  if (!lane) Broken("the new lane is not on the disk, so this shows nothing");
  LaneReader reader = Must(found.Reader(lane->id));
  std::vector<float> out(2 * kRate);
  const ReadResult got = reader.Read(Frame(0), out);
  for (std::int64_t frame = 0; frame < kRate; ++frame) {
    const auto stamp = ReadStamp(out.data() + 2 * frame);
    if (!stamp || stamp->lane != 7) continue;
    wrong = fmt::format("frame {} of the lane that came next is the removed lane's", frame);
    return true;
  }
  std::printf(
      "a slot's next lane after a power loss: %llu frames said to be written, none of the "
      "removed lane's\n",
      static_cast<unsigned long long>(got.written_frames));
  return false;
}

int Main(const Arguments& arguments) {
  if (geteuid() != 0 || !std::filesystem::exists("/dev/loop-control") ||
      !Shell("command -v mkfs.ext4")) {
    std::puts("SKIPPED: power loss while growing: it takes root, loop devices and mkfs.ext4");
    return 0;
  }
  const testing::TempDir directory;
  {
    std::string why;
    const std::string probe = directory.path("probe.img");
    Shell(fmt::format("truncate -s 64M '{0}' && mkfs.ext4 -q -F '{0}'", probe));
    if (!Device(probe, directory.path("probe")).mounted()) {
      std::puts("SKIPPED: power loss while growing: mounting an ext4 image is not permitted here");
      return 0;
    }
  }
  const std::int64_t pages = arguments.Number("pages");
  bool good = true;
  if (arguments.Number("mutant") == 0) {
    const Found found = Run(directory, pages, false);
    std::printf(
        "%d images of the device after a growth: %d do not open, %d lost pages that were not "
        "synced\n",
        found.images, found.unopenable, found.shorter);
    if (!found.wrong.empty()) std::printf("WRONG: %s\n", found.wrong.c_str());
    if (found.shorter == 0)
      std::puts("WRONG: no image was cut short, so nothing was shown of one that is");
    std::string wrong;
    if (ReadsAnothersFrames(directory, wrong)) std::printf("WRONG: %s\n", wrong.c_str());
    good = found.wrong.empty() && found.shorter > 0 && wrong.empty();
  }
  const Found mutant = Run(directory, pages, true);
  std::printf(
      "with the durable bytes stored before the size is on disk: found after %d images (%s)\n",
      mutant.images, mutant.unopenable > 0 ? mutant.wrong.c_str() : "NEVER");
  return good && mutant.unopenable > 0 ? 0 : 1;
}

}  // namespace
}  // namespace canvas::stress

int main(int argc, char** argv) {
  return canvas::stress::Main(
      canvas::stress::Arguments(argc, argv, {{"pages", "20"}, {"mutant", "0"}}));
}
