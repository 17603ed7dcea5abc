#include "canvas/api/frame_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "canvas/api/core.h"
#include "canvas/api/owned_lane.h"
#include "canvas/part/frames/frame_content.h"
#include "canvas/part/frames/part_writer.h"

namespace canvas {

class FrameWriterInside {
 public:
  FrameWriterInside(LaneOwner the_owner, const part::frames::FramePlace& the_place) noexcept
      : owner(std::move(the_owner)), place(the_place) {}

  OwnedLane& lane() { return *Insides::Of(owner); }
  const OwnedLane& lane() const { return *Insides::Of(owner); }
  const format::FrameShape& shape() const { return place.shape; }
  storage::CanvasFile& file() const { return *lane().core->file; }

  Result<void> CheckRange(Frame first, std::uint64_t frames) const;
  Result<void> Write(Frame first, std::span<const float> samples);
  Result<void> WriteChecked(Frame& first, std::span<const float> samples);
  Frame End() noexcept;
  void Forget() noexcept {
    part.reset();
    known_end.reset();
  }

  LaneOwner owner;  // outlives the part's writer
  part::frames::FramePlace place;
  // What is known of the page that is written to. Erasing changes it.
  std::optional<part::frames::PartWriter> part;
  std::optional<Frame> known_end;
};

Result<void> FrameWriterInside::CheckRange(Frame first, std::uint64_t frames) const {
  const auto fail = [&](std::string what, std::string hint) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}': {}", lane().info.name, std::move(what)), std::move(hint));
  };
  if (first < Frame(0))
    return fail(fmt::format("frame {} is negative", first.value()), "time starts at frame 0");
  const Frame limit = shape().FirstFrame(file().CapacityPages());
  if (first > limit || frames > static_cast<std::uint64_t>(limit - first))
    return fail(fmt::format("{} frames at {} end past the capacity, {}", frames,
                            FormatClock(first, shape().rate()), FormatClock(limit, shape().rate())),
                "create the canvas with more hours");
  const PageRange pages = owner.pages();
  if (frames == 0) return {};
  const std::uint64_t last = shape().PageOf(first + static_cast<std::int64_t>(frames) - 1);
  if (shape().PageOf(first) < pages.first.value() || last >= pages.end.value())
    return fail(fmt::format("frames outside the owned pages {} to {}", pages.first.value(),
                            pages.end.value() - 1),
                "own those pages too");
  return {};
}

// `first` comes back as one past the last frame.
Result<void> FrameWriterInside::WriteChecked(Frame& first, std::span<const float> samples) {
  const std::uint32_t channels = shape().channels();
  if (samples.size() % channels != 0)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} samples are no whole number of frames of {} channels",
                            samples.size(), channels));
  CANVAS_TRY(CheckRange(first, samples.size() / channels));
  while (!samples.empty()) {
    const std::uint64_t page = shape().PageOf(first);
    const PageIndex index(static_cast<std::uint32_t>(page));
    if (!part || part->page() != index) {
      CANVAS_ASSIGN(part, part::frames::PartWriter::Open(file(), place, index, lane().ownership));
    }
    const Frame page_first = shape().FirstFrame(page);
    const auto room = static_cast<std::size_t>(shape().FirstFrame(page + 1) - first);
    const std::size_t frames = std::min(samples.size() / channels, room);
    CANVAS_TRY(part->Write(static_cast<std::uint64_t>(first - page_first),
                           samples.first(frames * channels)));
    first = first + static_cast<std::int64_t>(frames);
    samples = samples.subspan(frames * channels);
  }
  return {};
}

Result<void> FrameWriterInside::Write(Frame first, std::span<const float> samples) {
  // Until all is done, where the end is must be looked up: some may have been stored.
  const auto known = std::exchange(known_end, std::nullopt);
  auto written = WriteChecked(first, samples);
  if (written && known) known_end = std::max(*known, first);
  return AboutFile(std::move(written), *lane().core);
}

Frame FrameWriterInside::End() noexcept {
  if (known_end) return *known_end;
  const PageRange pages = owner.pages();
  known_end = shape().FirstFrame(pages.first.value());
  std::uint64_t page = std::min<std::uint64_t>(pages.end.value(), file().mapped_pages());
  while (page > pages.first.value()) {
    --page;
    const auto summary =
        part::frames::FramePart(file(), place, PageIndex(static_cast<std::uint32_t>(page)))
            .Summarize();
    if (!summary || summary->written_frames == 0) continue;
    known_end = shape().FirstFrame(page) + static_cast<std::int64_t>(summary->end);
    break;
  }
  return *known_end;
}

namespace {

std::unexpected<Error> MovedFrom() {
  return Fail(ErrorCode::kClosed, "this writer was moved from");
}

}  // namespace

FrameWriter::FrameWriter(std::unique_ptr<FrameWriterInside> inside) noexcept
    : inside_(std::move(inside)) {}
FrameWriter::FrameWriter(FrameWriter&&) noexcept = default;
FrameWriter& FrameWriter::operator=(FrameWriter&&) noexcept = default;
FrameWriter::~FrameWriter() = default;

Result<FrameWriter> FrameWriter::Make(LaneOwner owner) {
  return NoThrow([&]() -> Result<FrameWriter> {
    if (Insides::Of(owner) == nullptr) return Fail(ErrorCode::kClosed, "this owner was moved from");
    const OwnedLane& lane = *Insides::Of(owner);
    const auto* frames = dynamic_cast<const part::frames::FrameContent*>(lane.content.get());
    if (frames == nullptr)
      return AboutFile<FrameWriter>(Fail(ErrorCode::kUnsupported,
                                         fmt::format("lane '{}' holds no frames, but {}",
                                                     lane.info.name, LaneKindName(lane.info.kind)),
                                         "frames are written to lanes of audio and signals"),
                                    *lane.core);
    const part::frames::FramePlace place = frames->frame_place();
    return FrameWriter(std::make_unique<FrameWriterInside>(std::move(owner), place));
  });
}

const LaneInfo& FrameWriter::lane() const noexcept {
  static const LaneInfo none;
  return inside_ == nullptr ? none : inside_->owner.lane();
}

PageRange FrameWriter::pages() const noexcept {
  return inside_ == nullptr ? PageRange{} : inside_->owner.pages();
}

Result<void> FrameWriter::Write(Frame first, std::span<const float> samples) {
  return NoThrow([&]() -> Result<void> {
    if (inside_ == nullptr) return MovedFrom();
    CANVAS_TRY(inside_->file().CheckWritable());
    return inside_->Write(first, samples);
  });
}

Result<Frame> FrameWriter::Append(std::span<const float> samples) {
  return NoThrow([&]() -> Result<Frame> {
    if (inside_ == nullptr) return MovedFrom();
    CANVAS_TRY(inside_->file().CheckWritable());
    const Frame at = inside_->End();
    CANVAS_TRY(inside_->Write(at, samples));
    return at;
  });
}

std::uint64_t FrameWriter::PreferredFrames(Frame first, std::uint64_t most) const noexcept {
  if (inside_ == nullptr || first < Frame(0)) return most;
  const format::FrameShape& shape = inside_->shape();
  const std::uint64_t page = shape.PageOf(first);
  const auto local = static_cast<std::uint64_t>(first - shape.FirstFrame(page));
  const std::uint64_t in_page = shape.FramesIn(page);
  if (in_page - local <= most) return in_page - local;
  const std::uint64_t per_block = shape.frames_per_block();
  const std::uint64_t end = (local + most) / per_block * per_block;
  return end > local ? end - local : most;
}

Frame FrameWriter::end() noexcept { return inside_ == nullptr ? Frame(0) : inside_->End(); }

Result<EraseReport> FrameWriter::Erase(FrameRange range) {
  return NoThrow([&]() -> Result<EraseReport> {
    if (inside_ == nullptr) return MovedFrom();
    inside_->Forget();
    return inside_->owner.Erase(range);
  });
}

void FrameWriter::Flush() noexcept {
  if (inside_ != nullptr) inside_->owner.Flush();
}

LaneOwner FrameWriter::Release() && noexcept {
  if (inside_ == nullptr) return Insides::NoOwner();
  LaneOwner owner = std::move(inside_->owner);
  inside_.reset();
  return owner;
}

}  // namespace canvas
