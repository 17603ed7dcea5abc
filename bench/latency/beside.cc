#include "bench/latency/beside.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/latency/clock.h"
#include "canvas/api/canvas.h"
#include "canvas/testing/must.h"

namespace bench {

namespace {

using canvas::Frame;
using canvas::testing::Must;

constexpr std::int64_t kAppended = 55 * kRate;  // behind what is read

}  // namespace

struct Beside::Shared {
  std::atomic<int> doing{0};  // 0 nothing, 1 appends, 2 overwrites, -1 ends
  std::atomic<std::uint64_t> done{0};
};

Beside::Beside(const Material& material) {
  shared_ =
      new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
          Shared;
  std::fflush(stdout);
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Work(material);
  std::_Exit(0);
}

Beside::~Beside() {
  shared_->doing = -1;
  waitpid(pid_, nullptr, 0);
}

void Beside::Do(int what) {
  shared_->doing = what;
  const std::uint64_t done = shared_->done;
  while (what != 0 && shared_->done < done + 2)
    if (waitpid(pid_, nullptr, WNOHANG) != 0) std::_Exit(4);  // it has said why
}

void Beside::Work(const Material& material) {
  canvas::Canvas canvas = material.Writable();
  std::vector<canvas::FrameWriter> writers;
  for (int lane = 0; lane < 4; ++lane) writers.push_back(Must(canvas.Writer(material.id(lane))));
  std::vector<float> block(512);
  std::int64_t at = 0;
  std::int64_t end = 0;
  while (shared_->doing >= 0) {
    if (shared_->doing == 0) {
      usleep(200);
      continue;
    }
    // Appended: behind what is read, fifty times as fast as music, as far as there is room: that
    // is for a second, of which the bench needs a third.
    if (shared_->doing == 1 && end >= kAppended) {
      fmt::print(stderr, "there is no more room to append: fewer --rounds\n");
      std::_Exit(1);
    }
    for (int lane = 0; lane < 4; ++lane) {
      const std::int64_t first = shared_->doing == 1 ? LengthOf(lane) + end : at + lane * 1000;
      if (shared_->doing == 2) Material::Fill(lane, first, block);
      Must(writers[static_cast<std::size_t>(lane)].Write(Frame(material.origin() + first), block));
    }
    if (shared_->doing == 1) end += 256;
    at = (at + 4096 * 3 + 256) % (LengthOf(1) - 8192);
    ++shared_->done;
    for (const std::int64_t until = Now() + 100'000; Now() < until;) {
    }
  }
}

}  // namespace bench
