#include "canvas/os/fork_guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "canvas/testing/basics.h"

namespace canvas::os {
namespace {

using testing::InChild;

// Counts how often it was told of a fork; a fork after its end ends the child.
class Listener final : public ForkListener {
 public:
  Listener() { Listen(HoldForks()); }
  ~Listener() override {
    Stop();
    alive_ = false;
  }
  void Stop() { StopListening(HoldForks()); }
  int told() const { return told_; }

 private:
  void AfterForkInChild() noexcept override {
    if (!alive_) _exit(70);
    ++told_;
  }
  volatile bool alive_ = true;  // stored at the very end
  int told_ = 0;
};

TEST(ForkGuard, AListenerIsToldInTheChildBeforeForkReturns) {
  const Listener sut;
  EXPECT_EQ(InChild([&] { return sut.told(); }), 1);
}

TEST(ForkGuard, AListenerIsNotToldInTheParent) {
  const Listener sut;
  ASSERT_EQ(InChild([] { return 0; }), 0);
  EXPECT_EQ(sut.told(), 0);
}

TEST(ForkGuard, EveryListenerIsTold) {
  const std::array<Listener, 5> suts;
  EXPECT_EQ(InChild([&] {
              for (const Listener& sut : suts)
                if (sut.told() != 1) return 1;
              return 0;
            }),
            0);
}

TEST(ForkGuard, OneThatStoppedListeningIsNotToldWhereverItStood) {
  for (std::size_t gone = 0; gone < 3; ++gone) {
    std::array<Listener, 3> suts;
    suts[gone].Stop();
    EXPECT_EQ(InChild([&] {
                for (std::size_t i = 0; i < suts.size(); ++i)
                  if (suts[i].told() != (i == gone ? 0 : 1)) return 1 + static_cast<int>(i);
                return 0;
              }),
              0)
        << gone;
  }
}

TEST(ForkGuard, StoppingTwiceIsStoppingOnce) {
  std::array<Listener, 3> suts;
  suts[1].Stop();
  suts[0].Stop();
  suts[1].Stop();
  EXPECT_EQ(InChild([&] { return suts[2].told(); }), 1);
}

TEST(ForkGuard, AChildsOwnChildIsToldToo) {
  const Listener sut;
  EXPECT_EQ(InChild([&] {
              alarm(60);
              return InChild([&] { return sut.told(); });
            }),
            2);
}

TEST(ForkGuard, AChildMayHoldForksItself) {
  const Listener sut;
  EXPECT_EQ(InChild([] {
              alarm(60);
              const Listener own;
              const ForkHold hold = HoldForks();
              return 0;
            }),
            0);
}

// Whether the thread waits for something.
bool Sleeps(pid_t thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(stat, line);
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

TEST(ForkGuard, AHoldKeepsAForkWaiting) {
  int seen = 1;
  std::atomic<pid_t> forker{0};
  std::atomic<bool> forked{false};
  std::optional<ForkHold> hold = HoldForks();
  int ended = -1;
  std::thread thread([&] {
    forker = gettid();
    testing::Process child([&](const testing::Process::Line&) { return seen; });
    forked = true;
    ended = child.Wait();
  });
  while (!forked && (forker == 0 || !Sleeps(forker))) std::this_thread::yield();
  seen = 2;
  hold.reset();
  thread.join();
  EXPECT_EQ(ended, 2);
}

// They come and go in places of memory that stay, so that one that is told after its end can say
// so.
TEST(ForkGuard, ListenersComeAndGoWhileAnotherThreadForks) {
  std::atomic<bool> done{false};
  std::thread comings_and_goings([&] {
    std::array<std::optional<Listener>, 8> places;
    for (std::size_t i = 0; !done; i = (i + 3) % places.size())
      places[i].has_value() ? places[i].reset() : static_cast<void>(places[i].emplace());
  });
  const Listener steady;
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(InChild([&] {
                alarm(60);
                return steady.told();
              }),
              1)
        << i;
  done = true;
  comings_and_goings.join();
}

}  // namespace
}  // namespace canvas::os
