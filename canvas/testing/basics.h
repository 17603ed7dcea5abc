// What tests of every layer share: temporary directories, bytes of files, forked processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "canvas/base/error.h"
#include "canvas/testing/must.h"

namespace canvas::testing {

// Whether a sanitizer that wants terabytes of address space for itself is in this program.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

// A directory that goes with the object.
class TempDir {
 public:
  TempDir();
  explicit TempDir(const std::filesystem::path& parent);
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  std::string path(std::string_view name) const { return (path_ / name).string(); }
  const std::filesystem::path& root() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The code of a failure; a test failure where it succeeded.
template <typename T>
ErrorCode CodeOf(const Result<T>& result) {
  if (result) {
    ADD_FAILURE() << "succeeded";
    return ErrorCode::kInvalidArgument;
  }
  return result.error().code();
}

// Bytes of a file, past every handle and mapping. A failure ends the process.
void Peek(const std::string& path, std::uint64_t at, void* bytes, std::size_t count);
void Poke(const std::string& path, std::uint64_t at, const void* bytes, std::size_t count);
std::uint64_t PeekWord(const std::string& path, std::uint64_t at);
void PokeWord(const std::string& path, std::uint64_t at, std::uint64_t word);

// Copies a file hole for hole, over whatever is at `to`.
void CopySparse(const std::string& from, const std::string& to);

// How many locks on the file there are, of all processes (/proc/locks).
std::size_t KernelLocks(const std::string& path);

// As stat(2) counts them.
std::uint64_t AllocatedBytes(const std::string& path);

// A forked process that runs `body` and ends with what it answers, or with 99 where an expectation
// of its own failed. What it says and is told are bytes on pipes. Killed at the end, where it still
// runs.
class Process {
 public:
  // The body's way to talk. Hear answers 0 where there is nobody to say anything any more.
  class Line {
   public:
    Line(int in, int out) : in_(in), out_(out) {}
    void Say(char what) const;
    char Hear() const;

   private:
    int in_;
    int out_;
  };

  explicit Process(const std::function<int(const Line&)>& body);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  void Tell(char what) const;
  char Hear() const;
  void Kill() const;
  // Stopped when this returns.
  void Stop() const;
  // The exit code, or 128 + the signal.
  int Wait();

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

// What `body` answers in a forked process; or as Process::Wait.
int InChild(const std::function<int()>& body);

}  // namespace canvas::testing
