// A feeder: an ordinary thread that keeps windows ahead of positions. A realtime thread publishes
// where it is, with one store; the feeder looks every few milliseconds, moves the windows, and
// makes resident what was written meanwhile.
//
//   auto feeder = Feeder::Start({.horizon_seconds = 2});
//   auto playhead = feeder->Follow(*window);
//   playhead->Publish(Frame(0));
//   playhead->WaitReady(std::chrono::seconds(1));
//   ...
//   playhead->Publish(position);                // realtime thread, once a callback
//
// Ahead is where the position moves to: forwards or backwards, at any speed. The faster it moves,
// the more is kept ahead of it, up to the window's longest stretch. A jump is seen at the next
// look, and the window is filled from the new position on.
//
// How closely it follows: a jump, and a block that a live writer has just written, are resident at
// the next look, at most a period later, and after the time that it takes to make them so (the
// README has the figure).
//
// Fork: a forked child has no feeder; Follow says so.
// After a move: Publish does nothing, WaitReady is false, Report is empty, Follow answers kClosed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "canvas/api/window.h"
#include "canvas/base/error.h"
#include "canvas/base/units.h"

namespace canvas {

struct FeederOptions {
  double horizon_seconds = 2;    // ahead of a position, at the speed of the window's clock or below
  double behind_seconds = 0.25;  // kept behind it
  std::chrono::microseconds period{5000};  // from one look to the next
};

struct FeederReport {
  std::uint64_t looks = 0;
  std::uint64_t jumps = 0;  // looks that found the position outside what the window was aimed at
  std::uint64_t late = 0;   // looks that found it inside, and there was something not yet resident
  std::chrono::nanoseconds longest_look{0};  // from seeing a position to having all of its horizon
  std::uint64_t misses = 0;                  // reads in the window that met something outside
  // Slices that could not be shown: a page is just being given back, or a reader's view still holds
  // the place it would take.
  std::uint64_t held_up = 0;
  std::string error = {};  // the last one, with the path; empty where none happened
};

// Concurrency: Publish by one thread at a time; the other calls by several at once, and beside it.
// Moves and the end beside nothing else.
// Realtime: Publish alone.
class Playhead {
 public:
  Playhead(Playhead&&) noexcept;
  Playhead& operator=(Playhead&&) noexcept;
  // The feeder follows it no longer. The window stays where it is. Waits for what the feeder is
  // just making resident, at most a quarter of a second of material.
  ~Playhead();

  // Where the reader is, at the window's clock. Realtime: yes; wait-free, one store. (The least of
  // all numbers means nowhere, and moves nothing.)
  void Publish(Frame position) noexcept;

  // Waits until the feeder has looked at the position that was published last, and everything ahead
  // of it is resident; at most `timeout`. Whether it is. A reader's view may keep a page from
  // being shown: let it go before.
  bool WaitReady(std::chrono::milliseconds timeout) const;

  FeederReport Report() const noexcept;

 private:
  friend class Feeder;
  struct State;
  explicit Playhead(std::shared_ptr<State> state);
  void End() noexcept;
  std::shared_ptr<State> state_;
};

// Concurrency: several threads at once, but for moves. Ending one waits for its thread.
// Realtime: no call is for a realtime thread.
class Feeder {
 public:
  // Errors: kInvalidArgument (a period of nothing, a negative horizon), kIo (no thread), kNoMemory.
  static Result<Feeder> Start(const FeederOptions& options = {});
  Feeder(Feeder&&) noexcept;
  Feeder& operator=(Feeder&&) noexcept;
  ~Feeder();

  // Moves the window from the first published position on. A move by hand is undone at the next
  // look. Errors: kBusy (another playhead moves it), kClosed (in a forked child, after a move of
  // either), kNoMemory.
  Result<Playhead> Follow(const Window& window);

 private:
  struct Body;
  struct EndBody {
    void operator()(Body* body) const noexcept;
  };
  explicit Feeder(std::unique_ptr<Body, EndBody> body);
  std::unique_ptr<Body, EndBody> body_;
};

}  // namespace canvas
