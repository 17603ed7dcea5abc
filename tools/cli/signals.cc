#include "tools/cli/signals.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <list>
#include <string>
#include <utility>

namespace canvas::cli {
namespace {

// Made beforehand: a handler may only unlink, write and exit.
const std::string* g_bus_message = nullptr;
std::atomic<const std::vector<std::string>*> g_outputs{nullptr};

void RemoveOutput() {
  const auto* outputs = g_outputs.load(std::memory_order_acquire);
  if (outputs == nullptr) return;
  for (const std::string& path : *outputs)
    if (unlink(path.c_str()) != 0) rmdir(path.c_str());
}

void OnBusError(int /*signal*/) {
  RemoveOutput();
  const ssize_t ignored = write(STDERR_FILENO, g_bus_message->data(), g_bus_message->size());
  (void)ignored;
  _exit(1);
}

// Ends as the signal would have.
void OnEnd(int signal_number) {
  RemoveOutput();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

}  // namespace

void InstallBusGuard(std::string_view path) {
  g_bus_message = new std::string("canvas: " + std::string(path) +
                                  ": the file was cut short, or its disk failed, or is full while "
                                  "it shares blocks with a fork (free some space, or restore it "
                                  "from a copy)\n");
  struct sigaction action {};
  action.sa_handler = OnBusError;
  sigaction(SIGBUS, &action, nullptr);
}

namespace {

std::atomic<int> g_stop{0};
constexpr int kStops[2] = {SIGINT, SIGTERM};

}  // namespace

StopFlag::StopFlag() {
  g_stop.store(0, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_handler = [](int number) {
    int none = 0;
    g_stop.compare_exchange_strong(none, number, std::memory_order_relaxed);
  };
  for (int i = 0; i < 2; ++i) sigaction(kStops[i], &action, &before_[i]);
}

StopFlag::~StopFlag() {
  for (int i = 0; i < 2; ++i) sigaction(kStops[i], &before_[i], nullptr);
}

int StopFlag::signal() const { return g_stop.load(std::memory_order_relaxed); }

void EndAs(int signal_number) {
  std::fflush(stdout);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
  _exit(128 + signal_number);
}

SignalHold::SignalHold() {
  sigset_t held;
  sigemptyset(&held);
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&held, number);
  sigprocmask(SIG_BLOCK, &held, &before_);
}

SignalHold::~SignalHold() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

void RemoveAtSignal(std::string_view path) {
  RemoveAllAtSignal(path.empty() ? std::vector<std::string>{}
                                 : std::vector<std::string>{std::string(path)});
}

void RemoveAllAtSignal(std::vector<std::string> paths) {
  // The one before is kept, for good: a handler may be going through it.
  static auto* const kept = new std::list<std::vector<std::string>>;
  kept->push_back(std::move(paths));
  g_outputs.store(kept->back().empty() ? nullptr : &kept->back(), std::memory_order_release);
  if (g_outputs.load(std::memory_order_relaxed) == nullptr) return;
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction now {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler == SIG_IGN) continue;  // nohup(1)
    now.sa_handler = OnEnd;
    sigaction(number, &now, nullptr);
  }
}

}  // namespace canvas::cli
