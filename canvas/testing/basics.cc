#include "canvas/testing/basics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

namespace canvas::testing {

TempDir::TempDir() : TempDir(std::filesystem::path(::testing::TempDir())) {}

TempDir::TempDir(const std::filesystem::path& parent) {
  std::string name = (parent / "canvas-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Peek(const std::string& path, std::uint64_t at, void* bytes, std::size_t count) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (pread(fd, bytes, count, static_cast<off_t>(at)) != static_cast<ssize_t>(count)) std::abort();
  close(fd);
}

void Poke(const std::string& path, std::uint64_t at, const void* bytes, std::size_t count) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (pwrite(fd, bytes, count, static_cast<off_t>(at)) != static_cast<ssize_t>(count)) std::abort();
  close(fd);
}

std::uint64_t PeekWord(const std::string& path, std::uint64_t at) {
  std::uint64_t word = 0;
  Peek(path, at, &word, sizeof word);
  return word;
}

void PokeWord(const std::string& path, std::uint64_t at, std::uint64_t word) {
  Poke(path, at, &word, sizeof word);
}

void CopySparse(const std::string& from, const std::string& to) {
  const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (in < 0 || out < 0) std::abort();
  const off_t size = lseek(in, 0, SEEK_END);
  std::vector<char> bytes;
  for (off_t at = lseek(in, 0, SEEK_DATA); at >= 0 && at < size;) {
    const off_t hole = lseek(in, at, SEEK_HOLE);
    bytes.resize(static_cast<std::size_t>(hole - at));
    if (pread(in, bytes.data(), bytes.size(), at) != hole - at ||
        pwrite(out, bytes.data(), bytes.size(), at) != hole - at)
      std::abort();
    at = lseek(in, hole, SEEK_DATA);
  }
  if (ftruncate(out, size) != 0) std::abort();
  close(in);
  close(out);
}

std::size_t KernelLocks(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) std::abort();
  // "1: OFDLCK ADVISORY  WRITE -1 08:01:12345 ...": device and inode in the middle.
  char file[64];
  std::snprintf(file, sizeof file, "%02x:%02x:%lu ", major(status.st_dev), minor(status.st_dev),
                status.st_ino);
  std::ifstream locks("/proc/locks");
  std::string line;
  std::size_t count = 0;
  while (std::getline(locks, line))
    if (line.find(file) != std::string::npos) ++count;
  return count;
}

std::uint64_t AllocatedBytes(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) std::abort();
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

void Process::Line::Say(char what) const { (void)!write(out_, &what, 1); }

char Process::Line::Hear() const {
  char byte = 0;
  return read(in_, &byte, 1) == 1 ? byte : '\0';
}

Process::Process(const std::function<int(const Line&)>& body) {
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (pipe(to.data()) != 0 || pipe(from.data()) != 0) std::abort();
  pid_ = fork();
  if (pid_ == 0) {
    close(to[1]);
    close(from[0]);
    const int answer = body(Line(to[0], from[1]));
    _exit(::testing::Test::HasFailure() && answer == 0 ? 99 : answer);
  }
  close(to[0]);
  close(from[1]);
  to_ = to[1];
  from_ = from[0];
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)) {}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Wait();
  }
  if (to_ >= 0) close(to_);
  if (from_ >= 0) close(from_);
}

void Process::Tell(char what) const { (void)!write(to_, &what, 1); }

char Process::Hear() const {
  char byte = 0;
  return read(from_, &byte, 1) == 1 ? byte : '\0';
}

void Process::Kill() const { kill(pid_, SIGKILL); }

void Process::Stop() const {
  kill(pid_, SIGSTOP);
  int status = 0;
  waitpid(pid_, &status, WUNTRACED);
}

int Process::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int InChild(const std::function<int()>& body) {
  return Process([&](const Process::Line&) { return body(); }).Wait();
}

}  // namespace canvas::testing
