// Opening and closing: a canvas of 24 hours whose 2,880 pages are all ready, beside an empty one of
// the same geometry.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "bench/ratio.h"
#include "canvas/api/canvas.h"
#include "canvas/testing/must.h"

namespace {

using canvas::testing::Must;

void OpenAndClose(benchmark::State& state, const std::string& path, canvas::Access access) {
  for (auto _ : state) {
    auto sut = canvas::Canvas::Open(path, {.access = access, .sync_on_close = false});
    if (!sut) std::exit(1);
    Must(sut->Close());
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = (std::filesystem::temp_directory_path() / "canvas-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const std::string empty = directory + "/empty.canvas";
  const std::string full = directory + "/full.canvas";
  Must(canvas::Canvas::Create(empty));
  Must(canvas::Canvas::Create(full));
  {
    auto sut =
        canvas::Canvas::Open(full, {.access = canvas::Access::kReadWrite, .sync_on_close = false});
    for (std::uint32_t page = 0; page < sut->capacity_pages(); ++page)
      Must(sut->AllocatePage(canvas::PageIndex(page)));
    fmt::print("{} of {} pages ready\n", sut->Info().ready_pages, sut->capacity_pages());
  }
  for (const auto& [name, access] : {std::pair("read-only", canvas::Access::kReadOnly),
                                     std::pair("read-write", canvas::Access::kReadWrite)}) {
    const auto add = [&, mode = access](const char* who, const std::string& path) {
      bench::Add(who, name, 50, [=](benchmark::State& state) { OpenAndClose(state, path, mode); });
    };
    add("empty", empty);
    add("full", full);
  }
  const int code = bench::RunWithRatios(
      argc, argv,
      {.title = "Opening and closing a canvas of 24 hours: no page ready, and all 2,880",
       .floor = "empty",
       .unit = "us"});
  std::filesystem::remove_all(directory);
  return code;
}
