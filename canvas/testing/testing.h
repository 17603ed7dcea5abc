// What tests of the public API share: canvases small enough for sanitizers, and payloads whose
// every sample says which lane, frame, channel and epoch it belongs to.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/basics.h"

namespace canvas::testing {

// Pages of 1 s, blocks of 512 B, a few slots sized for 8 kHz stereo: megabytes, not terabytes.
CreateOptions SmallCanvas();

// The sample at (frame, channel) of a lane in an epoch: a finite float that is different for
// neighbours in each of the four, and exactly reproducible.
float Sample(std::uint32_t lane, std::int64_t frame, std::uint32_t channel,
             std::uint32_t epoch = 0);

// `frames` of such samples, interleaved.
std::vector<float> Samples(std::uint32_t lane, std::int64_t first, std::uint64_t frames,
                           std::uint32_t channels, std::uint32_t epoch = 0);

// Opened for writing, without waiting for the disk at close.
Canvas OpenForWriting(const std::string& path);

// A place for the canvas of a test.
class CanvasTest : public ::testing::Test {
 protected:
  // Makes one there, opened for writing.
  Canvas Make(const CreateOptions& options = SmallCanvas()) const {
    Must(Canvas::Create(path_, options));
    return OpenForWriting(path_);
  }

  TempDir dir_;
  std::string path_ = dir_.path("sut.canvas");
};

}  // namespace canvas::testing
