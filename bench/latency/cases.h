// The cases of the latency bench. Each is left out where its name is not wanted.
#pragma once

#include <memory>
#include <vector>

#include "bench/chart.h"
#include "bench/latency/beside.h"
#include "bench/latency/material.h"
#include "bench/latency/report.h"
#include "bench/peers.h"

namespace bench {

using Draws = std::vector<std::unique_ptr<Material>>;
using Peers = std::vector<std::unique_ptr<Peer>>;

// By the size of a read, hot in L2 and from memory, over several draws; at random from memory.
// `bars` gets what a picture shows of 256 frames.
void Sizes(Report& report, const Draws& draws, Peers& peers, int rounds, std::vector<Bar>& bars);
// Opening a view, by the frames it spans.
void Views(Report& report, Material& material, int rounds);
// 1 to 64 lanes; a canvas of 45 minutes beside one of 24 hours.
void Lanes(Report& report, Material& material, Material& long_one, int rounds);
// Beside a process that writes.
void BesideWriters(Report& report, Material& material, Beside& beside, int rounds);
// Every single read timed. `panel` gets what a picture shows of it.
void Tails(Report& report, Material& material, Peers& peers, int rounds, Panel& panel);
// Every 2.67 ms, as an audio callback of 128 frames at 48 kHz; floor and canvas in turn.
void OpenLoop(Report& report, Material& material, int rounds);

}  // namespace bench
