#include "canvas/api/feeder.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "canvas/api/window_core.h"
#include "canvas/sync/presence.h"

namespace canvas {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kNowhere = std::numeric_limits<std::int64_t>::min();
// A speed is taken over so long: positions come in steps, a callback's worth each.
constexpr auto kSpeedOver = std::chrono::milliseconds(50);
// What is made resident at a time, so that a jump need not wait for the rest.
constexpr double kSliceSeconds = 0.25;

std::int64_t Frames(double seconds, Rate clock) {
  return static_cast<std::int64_t>(
      std::ceil(seconds * static_cast<double>(clock.num) / static_cast<double>(clock.den)));
}

}  // namespace

struct Playhead::State {
  State(std::shared_ptr<WindowCore> core, const FeederOptions& feeder_options)
      : window(std::move(core)), options(feeder_options) {}

  std::int64_t position() const { return static_cast<std::int64_t>(sync::Observe(published)); }
  void Look();
  FrameRange TargetAt(std::int64_t at) const;
  void MeasureSpeed(std::int64_t at, bool jumped);
  bool FillFrom(std::int64_t at, FrameRange target);
  void Tell(const Error& error);
  void NoMemory();

  bool usable() const { return !window->core().file->poisoned(); }

  const std::shared_ptr<WindowCore> window;
  const FeederOptions options;
  // Held whenever the window is moved, a slice at a time. After `ended` it is no more.
  std::mutex moving;
  bool ended = false;
  alignas(128) sync::Word published{static_cast<std::uint64_t>(kNowhere)};

  // The feeder's thread alone.
  alignas(128) double speed = 1;  // in clock seconds a second
  std::int64_t sample_position = kNowhere;
  Clock::time_point sample_time;

  mutable std::mutex mutex;  // guards the rest
  mutable std::condition_variable looked;
  std::uint64_t whole_look = 0;  // the last that made all of its target resident
  FrameRange ready;              // everything that was written in it, at the last look, is resident
  FrameRange target;
  FeederReport report;
};

// The stretch to cover for a position, by its speed.
FrameRange Playhead::State::TargetAt(std::int64_t at) const {
  const Rate clock = window->options().clock;
  // At least the frame that the position is at, whatever the options say.
  const std::int64_t most =
      std::max<std::int64_t>(Frames(window->options().max_seconds, clock) - 1, 2);
  const std::int64_t behind =
      std::max<std::int64_t>(std::min(Frames(options.behind_seconds, clock), most / 2), 1);
  const double factor = std::max(1.0, std::abs(speed));
  auto ahead = static_cast<std::int64_t>(
      std::min(static_cast<double>(most - behind),
               static_cast<double>(Frames(options.horizon_seconds, clock)) * factor));
  ahead = std::max<std::int64_t>(ahead, 1);
  // A position may be anything; what is far beyond the canvas is clipped there.
  constexpr std::int64_t kFar = std::int64_t{1} << 61;
  at = std::clamp(at, -kFar, kFar);
  return speed < -0.1 ? FrameRange{Frame(at - ahead), Frame(at + behind)}
                      : FrameRange{Frame(at - behind), Frame(at + ahead)};
}

void Playhead::State::MeasureSpeed(std::int64_t at, bool jumped) {
  const auto now = Clock::now();
  if (jumped || sample_position == kNowhere) {
    speed = 1;
  } else {
    if (now - sample_time < kSpeedOver) return;
    const Rate clock = window->options().clock;
    const double seconds = (static_cast<double>(at) - static_cast<double>(sample_position)) *
                           static_cast<double>(clock.den) / static_cast<double>(clock.num);
    speed = seconds / std::chrono::duration<double>(now - sample_time).count();
  }
  sample_position = at;
  sample_time = now;
}

// Makes the target resident, from the position on. False where the position left it meanwhile.
bool Playhead::State::FillFrom(std::int64_t at, FrameRange to) {
  const std::int64_t slice = Frames(kSliceSeconds, window->options().clock);
  std::int64_t first = std::clamp(at, to.first.value(), to.end.value());
  std::int64_t end = first;
  const bool forwards = speed >= -0.1;
  bool whole = true;
  while (first > to.first.value() || end < to.end.value()) {
    FrameRange piece;
    if (forwards ? end < to.end.value() : first <= to.first.value()) {
      piece = {Frame(end), Frame(std::min(end + slice, to.end.value()))};
      end = piece.end.value();
    } else {
      piece = {Frame(std::max(first - slice, to.first.value())), Frame(first)};
      first = piece.first.value();
    }
    Result<bool> filled = false;
    {
      const std::lock_guard lock(moving);
      if (ended) return true;
      filled = AboutFile(NoThrow([&] { return window->Fill(piece); }), window->core());
    }
    const std::lock_guard lock(mutex);
    if (!filled) Tell(filled.error());
    if (filled && !*filled) ++report.held_up;
    if (!filled || !*filled) whole = false;
    // As far as there is no gap.
    if (whole) ready = {Frame(first), Frame(end)};
    if (!to.Contains(Frame(position()))) return false;
  }
  return true;
}

// Of the last error; the mutex is held.
void Playhead::State::Tell(const Error& error) {
  auto text = NoThrow([&]() -> Result<std::string> { return error.Message(); });
  report.error = text ? *std::move(text) : std::string("out of memory");
}

void Playhead::State::NoMemory() {
  const std::lock_guard lock(mutex);
  Tell(Error::NoMemory());
}

void Playhead::State::Look() {
  for (int again = 0; again < 4; ++again) {
    if (position() == kNowhere) return;
    const auto begin = Clock::now();
    std::int64_t at = 0;
    bool jumped = false;
    {
      const std::lock_guard lock(mutex);
      // The position of a look is read after the look is counted: who published and then asked how
      // many there were waits for one that saw it (WaitReady).
      ++report.looks;
      at = position();
      jumped = !target.Contains(Frame(at));
      if (jumped) ++report.jumps;
      if (!jumped && !ready.Contains(Frame(at))) ++report.late;
    }
    MeasureSpeed(at, jumped);
    const FrameRange to = TargetAt(at);
    {
      const std::lock_guard lock(mutex);
      target = to;
      ready = {std::max(ready.first, to.first), std::min(ready.end, to.end)};
      if (!ready.Contains(Frame(at))) ready = {Frame(at), Frame(at)};
    }
    {
      const std::lock_guard lock(moving);
      if (ended) return;
      if (!NoThrow([&]() -> Result<void> {
            window->Aim(to);
            return {};
          })) {
        NoMemory();
        return;
      }
    }
    const bool stayed = FillFrom(at, to);
    {
      const std::lock_guard lock(mutex);
      if (ready == target) whole_look = report.looks;
      report.longest_look =
          std::max<std::chrono::nanoseconds>(report.longest_look, Clock::now() - begin);
    }
    looked.notify_all();
    if (stayed) return;
  }
}

Playhead::Playhead(std::shared_ptr<State> state) : state_(std::move(state)) {}
Playhead::Playhead(Playhead&&) noexcept = default;
Playhead& Playhead::operator=(Playhead&& other) noexcept {
  if (this != &other) {
    End();
    state_ = std::move(other.state_);
  }
  return *this;
}
Playhead::~Playhead() { End(); }

void Playhead::End() noexcept {
  if (state_ == nullptr) return;
  if (!state_->usable()) {
    // A forked child: the feeder's thread, which is not here, may have held its mutexes.
    (void)new (std::nothrow) std::shared_ptr<State>(std::move(state_));
    return;
  }
  const std::lock_guard lock(state_->moving);
  state_->ended = true;
  state_->window->EndFollowing();
}

void Playhead::Publish(Frame position) noexcept {
  if (state_ == nullptr) return;
  sync::Publish(state_->published, static_cast<std::uint64_t>(position.value()));
}

bool Playhead::WaitReady(std::chrono::milliseconds timeout) const {
  if (state_ == nullptr || !state_->usable()) return false;
  std::unique_lock lock(state_->mutex);
  // A look that begins from now on sees what was published before.
  const std::uint64_t now = state_->report.looks;
  return state_->looked.wait_for(lock, std::min(timeout, kLongestWait),
                                 [&] { return state_->whole_look > now; });
}

FeederReport Playhead::Report() const noexcept {
  if (state_ == nullptr) return {};
  auto told = NoThrow([&]() -> Result<FeederReport> {
    if (!state_->usable()) return FeederReport{.error = state_->window->Report().message};
    const std::uint64_t misses = state_->window->Report().misses;
    const std::lock_guard lock(state_->mutex);
    FeederReport report = state_->report;
    report.misses = misses;
    return report;
  });
  return told ? *std::move(told) : FeederReport{};
}

struct Feeder::Body {
  explicit Body(const FeederOptions& feeder_options) : options(feeder_options) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    if (thread.joinable()) thread.join();
  }

  // Where there is no memory for a look, it is made at the next one.
  void Run() {
    std::vector<std::weak_ptr<Playhead::State>> all;
    std::unique_lock lock(mutex);
    while (!stop) {
      std::erase_if(heads, [](const auto& head) { return head.expired(); });
      const bool copied = NoThrow([&]() -> Result<void> {
                            all = heads;
                            return {};
                          }).has_value();
      lock.unlock();
      if (copied)
        for (const auto& each : all)
          if (const auto head = each.lock(); head != nullptr) head->Look();
      lock.lock();
      wake.wait_for(lock, options.period, [&] { return stop; });
    }
  }

  const FeederOptions options;
  const pid_t pid = getpid();
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::weak_ptr<Playhead::State>> heads;
  bool stop = false;
  std::thread thread;
};

// In a forked child there is no thread to join, and its mutex may be held for ever.
void Feeder::EndBody::operator()(Body* body) const noexcept {
  if (body->pid == getpid()) delete body;
}

Feeder::Feeder(std::unique_ptr<Body, EndBody> body) : body_(std::move(body)) {}
Feeder::Feeder(Feeder&&) noexcept = default;
Feeder& Feeder::operator=(Feeder&&) noexcept = default;
Feeder::~Feeder() = default;

Result<Feeder> Feeder::Start(const FeederOptions& options) {
  return NoThrow([&]() -> Result<Feeder> {
    if (options.period <= std::chrono::microseconds::zero() ||
        options.period > std::chrono::hours(1) || !(options.horizon_seconds >= 0) ||
        !(options.behind_seconds >= 0) || options.horizon_seconds > 24 * 3600 ||
        options.behind_seconds > 24 * 3600)
      return Fail(ErrorCode::kInvalidArgument, "a feeder's period, horizon or stretch behind",
                  "the period is more than nothing and at most an hour, the others 0 to 86400 s");
    std::unique_ptr<Body, EndBody> body(new (std::nothrow) Body(options));
    if (body == nullptr) return std::unexpected(Error::NoMemory());
    // Signals are for the program's own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    try {
      body->thread = std::thread([b = body.get()] { b->Run(); });
    } catch (const std::system_error& error) {
      failed = error.code().value();
    } catch (const std::bad_alloc&) {
      failed = ENOMEM;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    // EAGAIN is what pthread_create(3) makes of want of memory, and of a limit on threads.
    if (failed == ENOMEM || failed == EAGAIN) return std::unexpected(Error::NoMemory());
    if (failed != 0)
      return NoThrow(
          [&]() -> Result<Feeder> { return FailErrno(failed, "a thread for the feeder"); });
    pthread_setname_np(body->thread.native_handle(), "canvas-feeder");
    return Feeder(std::move(body));
  });
}

Result<Playhead> Feeder::Follow(const Window& window) {
  return NoThrow([&]() -> Result<Playhead> {
    if (body_ == nullptr) return Fail(ErrorCode::kClosed, "this feeder was moved from");
    if (body_->pid != getpid())
      return Fail(ErrorCode::kClosed, "this feeder belongs to the parent process",
                  "start another one after fork");
    CANVAS_TRY(window.CheckOpen());
    // All that may run out of memory, before the window is taken.
    auto state = std::make_shared<Playhead::State>(window.core_, body_->options);
    const std::lock_guard lock(body_->mutex);
    body_->heads.reserve(body_->heads.size() + 1);
    CANVAS_TRY(window.core_->BeginFollowing());
    body_->heads.push_back(state);
    return Playhead(std::move(state));
  });
}

}  // namespace canvas
