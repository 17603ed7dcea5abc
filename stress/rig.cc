#include "stress/rig.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>

extern char** environ;

namespace canvas::stress {

Arguments::Arguments(int argc, char** argv, std::map<std::string, std::string> defaults)
    : values_(std::move(defaults)) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto equals = argument.find('=');
    const auto found = equals != std::string::npos && argument.starts_with("--")
                           ? values_.find(argument.substr(2, equals - 2))
                           : values_.end();
    if (found == values_.end()) {
      std::string usage = "usage:";
      for (const auto& [name, value] : values_) usage += fmt::format(" [--{}={}]", name, value);
      std::fprintf(stderr, "%s: what is this?\n%s\n", argument.c_str(), usage.c_str());
      std::exit(2);
    }
    found->second = argument.substr(equals + 1);
  }
}

std::int64_t Arguments::Number(const std::string& name) const {
  return std::strtoll(Text(name).c_str(), nullptr, 10);
}

const std::string& Arguments::Text(const std::string& name) const { return values_.at(name); }

std::uint32_t ChooseSeed(const Arguments& arguments) {
  auto seed = static_cast<std::uint32_t>(arguments.Number("seed"));
  if (seed == 0) seed = std::random_device()();
  std::printf("seed %u\n", seed);
  return seed;
}

Child::Child(const std::vector<std::string>& arguments) {
  int to[2];
  int from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) std::abort();
  std::vector<std::string> all = {"/proc/self/exe"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  if (posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) std::abort();
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]);
  close(from[1]);
  to_ = to[1];
  from_ = from[0];
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)) {}

Child::~Child() {
  if (pid_ > 0) {
    Kill();
    Wait();
  }
  if (to_ >= 0) close(to_);
  if (from_ >= 0) close(from_);
}

void Child::Tell(char what) const { (void)!write(to_, &what, 1); }

std::optional<char> Child::Hear() const {
  char byte = 0;
  ssize_t got = 0;
  do got = read(from_, &byte, 1);
  while (got < 0 && errno == EINTR);
  if (got != 1) return std::nullopt;
  return byte;
}

std::string Child::HearAll() const {
  std::string all;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(from_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    all.append(buffer, static_cast<std::size_t>(got));
  }
}

void Child::Kill() const { kill(pid_, SIGKILL); }

int Child::Wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Say(char what) { (void)!write(STDOUT_FILENO, &what, 1); }

std::optional<char> Listen() {
  char byte = 0;
  if (read(STDIN_FILENO, &byte, 1) != 1) return std::nullopt;
  return byte;
}

std::vector<float> Stamped(std::uint32_t lane, std::int64_t first, std::uint64_t frames,
                           std::uint32_t epoch) {
  std::vector<float> samples(frames * 2);
  for (std::uint64_t i = 0; i < frames; ++i) {
    samples[2 * i] = static_cast<float>((first + static_cast<std::int64_t>(i)) & 0xFFFFFF);
    samples[2 * i + 1] = static_cast<float>(lane << 19 | epoch);
  }
  return samples;
}

std::optional<Stamp> ReadStamp(const float* frame) {
  constexpr float kLimit = 16777216.0F;
  if (!(frame[0] >= 0 && frame[0] < kLimit && frame[1] >= 1 && frame[1] < kLimit))
    return std::nullopt;
  const auto tag = static_cast<std::uint32_t>(frame[1]);
  return Stamp{static_cast<std::int64_t>(frame[0]), tag >> 19, tag & kMaxEpoch};
}

Epoch EpochOf(std::span<const float> samples, std::uint32_t lane, std::int64_t first) {
  Epoch result;
  for (std::size_t i = 0; i < samples.size() / 2; ++i) {
    const auto stamp = ReadStamp(samples.data() + 2 * i);
    const std::int64_t frame = (first + static_cast<std::int64_t>(i)) & 0xFFFFFF;
    if (!stamp || stamp->lane != lane || stamp->frame != frame)
      return {0, fmt::format("frame {} of lane {} holds {} and {}", frame, lane, samples[2 * i],
                             samples[2 * i + 1])};
    if (i != 0 && stamp->epoch != result.epoch)
      return {0, fmt::format("lane {}: epoch {} up to frame {} and {} from there on", lane,
                             result.epoch, frame, stamp->epoch)};
    result.epoch = stamp->epoch;
  }
  return result;
}

std::int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

void Broken(const std::string& what) {
  std::fflush(stdout);
  std::fprintf(stderr, "BROKEN (pid %d): %s\n", getpid(), what.c_str());
  std::fflush(stderr);
  _exit(1);
}

}  // namespace canvas::stress
