// What the tool does when a signal ends it.
//
// A mapped file that someone else cuts short faults when it is read: SIGBUS becomes one line that
// names the file, and exit 1. A half written output goes, whichever signal it is.
//
// Thread safety: call from one thread.
#pragma once

#include <signal.h>

#include <string>
#include <string_view>
#include <vector>

namespace canvas::cli {

// From now on; `path` is the canvas this process works on.
void InstallBusGuard(std::string_view path);

// Holds SIGHUP, SIGINT and SIGTERM back for a scope: between making a file and RemoveAtSignal.
class SignalHold {
 public:
  SignalHold();
  SignalHold(const SignalHold&) = delete;
  SignalHold& operator=(const SignalHold&) = delete;
  ~SignalHold();

 private:
  sigset_t before_;
};

// The file to remove if SIGHUP, SIGINT, SIGTERM or SIGBUS ends the process; "" for none.
void RemoveAtSignal(std::string_view path);
// The same for several, in this order; folders too, where they are empty by then.
void RemoveAllAtSignal(std::vector<std::string> paths);

// While it lives, SIGINT and SIGTERM raise a flag instead of ending the process.
class StopFlag {
 public:
  StopFlag();
  StopFlag(const StopFlag&) = delete;
  StopFlag& operator=(const StopFlag&) = delete;
  ~StopFlag();
  bool raised() const { return signal() != 0; }
  // Which came first; 0: none.
  int signal() const;

 private:
  struct sigaction before_[2];
};

// Ends the process as this signal would have, had it not been caught; what was printed is out.
[[noreturn]] void EndAs(int signal_number);

}  // namespace canvas::cli
