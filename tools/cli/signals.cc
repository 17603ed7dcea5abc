#include "tools/cli/signals.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>

namespace canvas::cli {
namespace {

// Made beforehand: a handler may only unlink, write and exit.
const std::string* g_bus_message = nullptr;
char g_output[4096];
std::atomic<bool> g_has_output{false};

void RemoveOutput() {
  if (g_has_output.load(std::memory_order_acquire)) unlink(g_output);
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
                                  ": the file was cut short, or its disk failed, while it was in "
                                  "use (restore it from a copy)\n");
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
  g_has_output.store(false, std::memory_order_release);
  if (path.empty() || path.size() >= sizeof g_output) return;
  std::memcpy(g_output, path.data(), path.size());
  g_output[path.size()] = '\0';
  g_has_output.store(true, std::memory_order_release);
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction now {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler == SIG_IGN) continue;  // nohup(1)
    now.sa_handler = OnEnd;
    sigaction(number, &now, nullptr);
  }
}

}  // namespace canvas::cli
