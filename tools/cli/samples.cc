#include "tools/cli/samples.h"

namespace canvas::cli {
namespace {

constexpr int kRacedTries = 1000;

}  // namespace

Result<ReadResult> ReadOrSilence(LaneReader& reader, Frame at, std::span<float> samples) {
  for (int i = 0; i < kRacedTries; ++i) {
    const ReadResult result = reader.Read(at, samples);
    if (result.status != ReadStatus::kRaced) return result;
  }
  return Fail(ErrorCode::kBusy, "a block kept changing, or was left half rewritten",
              "try again when its writer has finished; `canvas check` says more");
}

Result<ReadResult> ReadSettled(LaneReader& reader, Frame at, std::span<float> samples) {
  CANVAS_ASSIGN(const ReadResult result, ReadOrSilence(reader, at, samples));
  if (result.status == ReadStatus::kEnd)
    return Fail(ErrorCode::kInvalidArgument, "the range lies outside the canvas");
  return result;
}

}  // namespace canvas::cli
