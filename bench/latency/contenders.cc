#include "bench/latency/contenders.h"

#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"

namespace bench {

namespace {

using canvas::Frame;

// Where the contenders put what they read.
float* const g_out = static_cast<float*>(std::aligned_alloc(64, 2 * kMaxFrames * sizeof(float)));

}  // namespace

Contender FloorRead(const Material& material, const SharedWalk& walk, std::int64_t frames) {
  return Make("floor", walk, [&material, frames](int lane, std::int64_t at) {
    material.Copy(lane, at, frames, g_out);
    Keep(*g_out);
  });
}

Contender CanvasRead(Material& material, const SharedWalk& walk, std::int64_t frames,
                     const std::string& who) {
  return Make(who, walk, [&material, frames](int lane, std::int64_t at) {
    const auto got = material.At(lane).Read(Frame(material.origin() + at),
                                            std::span(g_out, static_cast<std::size_t>(frames) * 2));
    if (got.status != canvas::ReadStatus::kOk && got.status != canvas::ReadStatus::kRaced)
      std::_Exit(3);
    Keep(*g_out);
  });
}

Contender CanvasTogether(Material& material, const SharedWalk& walk, int lanes,
                         std::int64_t frames) {
  std::vector<std::span<float>> outs(static_cast<std::size_t>(lanes),
                                     std::span(g_out, static_cast<std::size_t>(frames) * 2));
  return Make(
      "canvas, together", walk, [&material, outs = std::move(outs)](int lane, std::int64_t at) {
        if (lane != 0) return;
        if (material.together->Read(Frame(material.origin() + at), outs) != canvas::ReadStatus::kOk)
          std::_Exit(3);
        Keep(*g_out);
      });
}

Contender PlainRead(Material& material, const SharedWalk& walk, std::int64_t frames) {
  return Make("canvas, no window", walk, [&material, frames](int lane, std::int64_t at) {
    const auto got = material.plain[static_cast<std::size_t>(lane)].Read(
        Frame(material.origin() + at), std::span(g_out, static_cast<std::size_t>(frames) * 2));
    if (got.status != canvas::ReadStatus::kOk) std::_Exit(3);
    Keep(*g_out);
  });
}

Contender CanvasView(Material& material, const SharedWalk& walk, std::int64_t frames) {
  return Make("canvas view", walk, [&material, frames](int lane, std::int64_t at) {
    const canvas::View view =
        material.At(lane).ViewAt(Frame(material.origin() + at), static_cast<std::uint64_t>(frames));
    if (!view.StillValid() || view.frames() == 0) std::_Exit(3);
    Keep(view);
  });
}

Contender PeerRead(Peer& peer, const SharedWalk& walk, std::int64_t frames) {
  peer.Prepare(frames);
  return Make(peer.name(), walk, [&peer, frames](int lane, std::int64_t at) {
    peer.Read(lane, at, frames, g_out);
    Keep(*g_out);
  });
}

}  // namespace bench
