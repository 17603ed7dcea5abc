// Who reads: canvas in its ways, the memcpy that it is held against, and its peers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "bench/histogram.h"
#include "bench/latency/clock.h"
#include "bench/latency/material.h"
#include "bench/latency/walk.h"
#include "bench/peers.h"

namespace bench {

struct Contender {
  std::string who;
  std::function<double(std::int64_t)> mean;            // ns a read, over so many
  std::function<void(std::int64_t, Histogram&)> each;  // of so many, in ticks
};

// Calls read(lane, at) along the walk.
template <typename Read>
Contender Make(const std::string& who, const SharedWalk& walk, Read read) {
  auto shared = std::make_shared<Read>(std::move(read));
  return {who,
          [walk, shared](std::int64_t reads) {
            Walk at = *walk;
            Read& call = *shared;
            const std::int64_t begin = Now();
            for (std::int64_t i = 0; i < reads; ++i) at(call);
            const double ns = static_cast<double>(Now() - begin) / static_cast<double>(reads);
            *walk = at;
            return ns;
          },
          [walk, shared](std::int64_t reads, Histogram& histogram) {
            Walk at = *walk;
            Read& call = *shared;
            for (std::int64_t i = 0; i < reads; ++i) {
              const std::uint64_t begin = Ticks();
              at(call);
              histogram.Add(Ticks() - begin);
            }
            *walk = at;
          }};
}

// A memcpy of the same bytes.
Contender FloorRead(const Material& material, const SharedWalk& walk, std::int64_t frames);
Contender CanvasRead(Material& material, const SharedWalk& walk, std::int64_t frames,
                     const std::string& who = "canvas read");
// All lanes at one position, in one call: made at the first lane of a walk.
Contender CanvasTogether(Material& material, const SharedWalk& walk, int lanes,
                         std::int64_t frames);
Contender PlainRead(Material& material, const SharedWalk& walk, std::int64_t frames);
Contender CanvasView(Material& material, const SharedWalk& walk, std::int64_t frames);
Contender PeerRead(Peer& peer, const SharedWalk& walk, std::int64_t frames);

}  // namespace bench
