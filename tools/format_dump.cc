// Makes the small canvas of canvas/FORMAT.md and prints its bytes with what they mean. With
// --check FILE: compares the dump with the one in that document.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/format/control_words.h"
#include "canvas/format/geometry.h"
#include "canvas/format/page_words.h"
#include "canvas/format/slot_words.h"
#include "canvas/testing/must.h"

namespace {

namespace format = canvas::format;
using canvas::testing::Must;

class Dump {
 public:
  explicit Dump(const std::string& path) : in_(path, std::ios::binary) {}

  void Title(const std::string& title) { text_ += (text_.empty() ? "" : "\n") + title + "\n"; }
  void Line(std::uint64_t offset, std::size_t bytes, const std::string& meaning) {
    std::vector<unsigned char> data(bytes);
    in_.seekg(static_cast<std::streamoff>(offset));
    in_.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(bytes));
    std::string hex;
    for (const unsigned char byte : data) hex += fmt::format("{:02x} ", byte);
    Append(offset, hex, meaning);
  }
  // Bytes that are different in every file.
  void Varies(std::uint64_t offset, const std::string& meaning) { Append(offset, "..", meaning); }
  const std::string& text() const { return text_; }

 private:
  void Append(std::uint64_t offset, const std::string& hex, const std::string& meaning) {
    text_ += fmt::format("{:08x}  {:<25} {}\n", offset, hex, meaning);
  }
  std::ifstream in_;
  std::string text_;
};

canvas::CreateOptions Options() {
  canvas::CreateOptions options;
  options.rate = {8000, 1};
  options.page_seconds = 1;
  options.layout.wide_slots = 8;
  options.layout.small_slots = 4;
  options.capacity_seconds = 100;
  options.layout.block_bytes = 512;
  options.layout.extent_bytes = 4096;
  options.layout.slot_align_bytes = 4096;
  options.layout.small_slot_bytes = 16 * 1024;
  options.layout.header_place_bytes = 64 * 1024;
  return options;
}

// The same numbers as Options() makes of them.
format::Geometry GeometryOf(const canvas::CreateOptions& options) {
  format::GeometryFields fields;
  fields.rate = options.rate;
  fields.page_seconds = options.page_seconds;
  fields.wide_slots = options.layout.wide_slots;
  fields.small_slots = options.layout.small_slots;
  fields.block_bytes = options.layout.block_bytes;
  fields.extent_bytes = options.layout.extent_bytes;
  fields.slot_align_bytes = options.layout.slot_align_bytes;
  fields.wide_slot_bytes = Must(
      format::WideSlotBytesFor(options.rate, options.page_seconds, options.layout.extent_bytes));
  fields.small_slot_bytes = options.layout.small_slot_bytes;
  fields.capacity_pages = 100;
  fields.header_place_bytes = options.layout.header_place_bytes;
  return Must(format::Geometry::Make(fields));
}

void MakeCanvas(const std::string& path) {
  Must(canvas::Canvas::Create(path, Options()));
  canvas::Canvas sut = Must(canvas::Canvas::Open(path, {.access = canvas::Access::kReadWrite}));
  const canvas::LaneId lane = Must(sut.AddLane({.name = "a", .channels = 2, .rate = {8000, 1}}));
  canvas::FrameWriter writer = Must(sut.Writer(lane));
  std::vector<float> samples;
  for (int i = 0; i < 100; ++i) {
    samples.push_back(static_cast<float>(i));
    samples.push_back(static_cast<float>(-i));
  }
  Must(writer.Write(canvas::Frame(10), samples));
}

std::string DumpOf(const std::string& path) {
  const format::Geometry g = GeometryOf(Options());
  Dump dump(path);
  dump.Title("superblock, copy 0");
  dump.Line(0, 8, "magic");
  dump.Line(8, 4, "byte order 0x01020304");
  dump.Line(12, 2, "major version 1");
  dump.Line(14, 2, "minor version 0");
  dump.Line(16, 8, "incompatible features: none");
  dump.Line(24, 8, "read-only-compatible features: none");
  dump.Line(32, 8, "compatible features: none");
  dump.Line(40, 8, "layout fingerprint");
  dump.Varies(48, "uuid, 16 bytes");
  dump.Varies(64, "created");
  dump.Line(72, 8, "rate: 8000");
  dump.Line(80, 8, "      / 1");
  dump.Line(88, 4, "page seconds: 1");
  dump.Line(92, 4, "wide slots: 8");
  dump.Line(96, 4, "small slots: 4");
  dump.Line(100, 4, "block bytes: 512");
  dump.Line(104, 4, "extent bytes: 4096");
  dump.Line(108, 4, "header places: 8");
  dump.Line(112, 4, "header place bytes: 65536");
  dump.Line(116, 4, "page metadata places: 8");
  dump.Line(120, 4, "page metadata place bytes: 1048576");
  dump.Line(124, 4, "slot align bytes: 4096");
  dump.Line(128, 8, "wide slot bytes: 65536, a second of stereo in 16 extents");
  dump.Line(136, 8, "small slot bytes: 16384");
  dump.Line(144, 8, "index pages: 2^20");
  dump.Line(152, 8, "capacity pages: 100");
  const format::Tables tables = g.tables();
  for (std::size_t i = 0; i < tables.size(); ++i)
    dump.Line(160 + i * 16, 16,
              fmt::format("table {}, {}: at {}, every {}", i,
                          format::TableName(static_cast<format::TableId>(i)), tables[i].offset,
                          tables[i].stride));
  dump.Varies(4088, "checksum");

  namespace control = format::control;
  dump.Title("control words");
  const auto word = [&](std::uint64_t offset, const std::string& meaning) {
    dump.Line(format::kControlOffset + offset, 8, meaning);
  };
  word(control::kCapacityPages, "capacity pages: 100");
  word(control::kHeaderRoot, "header root: generation 2, place 1");
  word(control::kDurableHeaderRoot, "durable header root: the same, for it was synced at close");
  word(control::kDurableBytes, "durable bytes: to the end of page 0");
  word(control::kIncompatible, "incompatible features set since: none");
  word(control::kIndexChunks, "index chunks: the first is reserved");

  dump.Title("header snapshot, place 1");
  const std::uint64_t place = g.HeaderPlace(1).value();
  dump.Line(place, 8, "magic \"CNVSNAP1\"");
  dump.Line(place + 8, 8, "generation 2");
  dump.Varies(place + 16, "length of the message, u64");
  dump.Varies(place + 24, "XXH3-64 of the message, seeded with 2");
  dump.Line(place + 64, 4, "Cap'n Proto: segments - 1");

  dump.Title("page index");
  dump.Line(format::kPageIndexOffset, 8, "page 0: ready");
  dump.Line(format::kPageIndexOffset + 8, 8, "page 1: not");

  namespace page = format::page_control;
  const std::uint64_t start = g.Page(canvas::PageIndex(0)).value();
  dump.Title("page 0: control");
  dump.Line(start + page::kPageNumber, 8, "page number + 1");
  dump.Line(start + page::kSlotBits, 8, "slot bits: wide slot 0");

  namespace slot = format::slot_control;
  const std::uint64_t control_at = start + g.SlotControl({});
  dump.Title("page 0: control of wide slot 0");
  dump.Line(control_at + slot::kLaneId, 8, "lane id: 1");
  dump.Line(control_at + slot::kLife, 8, "life: generation 1, ready (1 x 4 + 1)");
  dump.Line(control_at + slot::kMark, 8, "high-water mark: frame 110");
  dump.Line(control_at + slot::kLow, 8, "low-water mark: frame 10");
  dump.Line(control_at + slot::kSequence, 8, "sequence: nothing was overwritten");
  dump.Line(control_at + slot::kEvents, 8, "event word: generation 1, half 0, none (1 x 2^24)");
  dump.Line(control_at + slot::kUndoBlock, 8, "undo: empty");

  dump.Title("page 0: versions of wide slot 0 (blocks of 64 frames)");
  dump.Line(start + g.Versions({}), 8, "block 0, frames 0 to 63: sequence 2, written (2 x 2 + 1)");
  dump.Line(start + g.Versions({}) + 8, 8, "block 1, frames 64 to 127: the same");
  dump.Line(start + g.Versions({}) + 16, 8, "block 2: never written");

  dump.Title("page 0: data of wide slot 0");
  const std::uint64_t data = start + g.Data({});
  dump.Line(data, 8, "frame 0: zeros that fill the block");
  dump.Line(data + std::uint64_t{10} * 8, 8, "frame 10: 0, 0");
  dump.Line(data + std::uint64_t{11} * 8, 8, "frame 11: 1, -1");
  dump.Line(data + std::uint64_t{109} * 8, 8, "frame 109: 99, -99");
  dump.Line(data + std::uint64_t{110} * 8, 8, "frame 110: zeros, beyond the mark");
  return dump.text();
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = (std::filesystem::temp_directory_path() / "format_dump-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const std::string path = directory + "/small.canvas";
  MakeCanvas(path);
  const std::string dump = DumpOf(path);
  std::filesystem::remove_all(directory);
  if (argc == 3 && std::strcmp(argv[1], "--check") == 0) {
    std::ifstream in(argv[2]);
    const std::string document((std::istreambuf_iterator<char>(in)),
                               std::istreambuf_iterator<char>());
    if (document.find("```\n" + dump + "```\n") != std::string::npos) return 0;
    fmt::print(stderr, "{} does not hold this dump:\n{}", argv[2], dump);
    return 1;
  }
  fmt::print("{}", dump);
  return 0;
}
