#include "canvas/api/lane_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "canvas/api/core.h"

namespace canvas {

LaneWriter::LaneWriter(std::shared_ptr<CanvasCore> core, storage::Ownership owner,
                       const part::frames::FramePlace& place, LaneInfo info)
    : core_(std::move(core)),
      owner_(std::make_unique<storage::Ownership>(std::move(owner))),
      place_(place),
      info_(std::move(info)) {}

LaneWriter::LaneWriter(LaneWriter&&) noexcept = default;
LaneWriter::~LaneWriter() = default;

PageRange LaneWriter::pages() const { return owner_ == nullptr ? PageRange{} : owner_->pages(); }

Result<void> LaneWriter::CheckUsable() const {
  if (core_ == nullptr) return Fail(ErrorCode::kClosed, "this writer was moved from");
  return core_->file->CheckWritable();
}

Result<void> LaneWriter::CheckRange(Frame first, std::uint64_t frames) const {
  const auto& shape = place_.shape;
  const auto fail = [&](std::string what, std::string hint) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("lane '{}': {}", info_.name, std::move(what)), std::move(hint));
  };
  if (first < Frame(0))
    return fail(fmt::format("frame {} is negative", first.value()), "time starts at frame 0");
  const std::uint64_t capacity = core_->file->CapacityPages();
  const Frame limit = shape.FirstFrame(capacity);
  if (first > limit || frames > static_cast<std::uint64_t>(limit - first))
    return fail(fmt::format("{} frames at {} end past the capacity, {}", frames,
                            FormatClock(first, shape.rate()), FormatClock(limit, shape.rate())),
                "create the canvas with more hours");
  const PageRange pages = owner_->pages();
  if (frames == 0) return {};
  const std::uint64_t last = shape.PageOf(first + static_cast<std::int64_t>(frames) - 1);
  if (shape.PageOf(first) < pages.first.value() || last >= pages.end.value())
    return fail(fmt::format("frames outside the owned pages {} to {}", pages.first.value(),
                            pages.end.value() - 1),
                "own those pages too");
  return {};
}

Result<void> LaneWriter::Write(Frame first, std::span<const float> samples) {
  return NoThrow([&]() -> Result<void> {
    CANVAS_TRY(CheckUsable());
    const auto write = [&]() -> Result<void> {
      const std::uint32_t channels = place_.shape.channels();
      if (samples.size() % channels != 0)
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} samples are no whole number of frames of {} channels",
                                samples.size(), channels));
      CANVAS_TRY(CheckRange(first, samples.size() / channels));
      while (!samples.empty()) {
        const std::uint64_t page = place_.shape.PageOf(first);
        const PageIndex index(static_cast<std::uint32_t>(page));
        if (!part_ || part_->page() != index) {
          CANVAS_ASSIGN(part_,
                        part::frames::PartWriter::Open(*core_->file, place_, index, *owner_));
        }
        const Frame page_first = place_.shape.FirstFrame(page);
        const auto room = static_cast<std::size_t>(place_.shape.FirstFrame(page + 1) - first);
        const std::size_t frames = std::min(samples.size() / channels, room);
        CANVAS_TRY(part_->Write(static_cast<std::uint64_t>(first - page_first),
                                samples.first(frames * channels)));
        first = first + static_cast<std::int64_t>(frames);
        samples = samples.subspan(frames * channels);
      }
      return {};
    };
    // Until all is done, where the end is must be looked up: some may have been stored.
    const auto known = std::exchange(end_, std::nullopt);
    auto written = write();
    if (written && known) end_ = std::max(*known, first);
    if (!written) return std::unexpected(std::move(written).error().About(core_->file->path()));
    return {};
  });
}

Frame LaneWriter::end() {
  if (!end_ && core_ == nullptr) return Frame(0);
  if (!end_) {
    const PageRange pages = owner_->pages();
    std::uint64_t page = std::min<std::uint64_t>(pages.end.value(), core_->file->mapped_pages());
    end_ = place_.shape.FirstFrame(pages.first.value());
    while (page > pages.first.value()) {
      --page;
      const auto part =
          part::frames::FramePart(*core_->file, place_, PageIndex(static_cast<std::uint32_t>(page)))
              .Summarize();
      if (!part || part->written_frames == 0) continue;
      end_ = place_.shape.FirstFrame(page) + static_cast<std::int64_t>(part->end);
      break;
    }
  }
  return *end_;
}

std::uint64_t LaneWriter::PreferredFrames(Frame first, std::uint64_t most) const {
  if (first < Frame(0)) return most;
  const std::uint64_t page = place_.shape.PageOf(first);
  const auto local = static_cast<std::uint64_t>(first - place_.shape.FirstFrame(page));
  const std::uint64_t in_page = place_.shape.FramesIn(page);
  if (in_page - local <= most) return in_page - local;
  const std::uint64_t per_block = place_.shape.frames_per_block();
  const std::uint64_t end = (local + most) / per_block * per_block;
  return end > local ? end - local : most;
}

Result<Frame> LaneWriter::Append(std::span<const float> samples) {
  return NoThrow([&]() -> Result<Frame> {
    CANVAS_TRY(CheckUsable());
    const Frame at = end();
    CANVAS_TRY(Write(at, samples));
    return at;
  });
}

void LaneWriter::Flush() noexcept {
  // Where there is no memory to say why not, it is not usable all the same.
  if (NoThrow([&] { return CheckUsable(); })) core_->file->FlushNotify();
}

// Of a page that has frames outside of the range too.
Result<part::Erased> LaneWriter::EraseWithin(PageIndex page, FrameRange range) {
  const Frame first = place_.shape.FirstFrame(page.value());
  const Frame end = place_.shape.FirstFrame(std::uint64_t{page.value()} + 1);
  CANVAS_ASSIGN(part::frames::PartWriter part,
                part::frames::PartWriter::Open(*core_->file, place_, page, *owner_));
  return part.Erase(static_cast<std::uint64_t>(std::max(range.first, first) - first),
                    static_cast<std::uint64_t>(std::min(range.end, end) - first));
}

Result<EraseReport> LaneWriter::Erase(FrameRange range) {
  return NoThrow([&]() -> Result<EraseReport> {
    CANVAS_TRY(CheckUsable());
    if (core_->file->mapped_pages() < core_->file->CapacityPages() &&
        range.end > place_.shape.FirstFrame(core_->file->mapped_pages()))
      return std::unexpected(Error(ErrorCode::kLimit,
                                   "the range reaches past the mapping limit of this handle",
                                   "open it with a larger mapping limit")
                                 .About(core_->file->path()));
    EraseReport report;
    part_.reset();  // it knows what is reserved, which changes here
    end_.reset();
    const PageRange pages = owner_->pages();
    const std::uint64_t end =
        std::min<std::uint64_t>(pages.end.value(), core_->file->mapped_pages());
    // Where the lane has never had a part nothing is to be given back. Only its owner begins one.
    std::vector<PageIndex> had;
    core_->file->ForEachReadyPage(pages.first.value(), end, [&](PageIndex page) {
      if (core_->file->SlotPresent(page, place_.slots)) had.push_back(page);
    });
    for (const PageIndex index : had) {
      const std::uint64_t page = index.value();
      const Frame first = place_.shape.FirstFrame(page);
      if (!range.Overlaps({first, place_.shape.FirstFrame(page + 1)})) continue;
      const part::frames::FramePart whole(*core_->file, place_, index);
      const auto part = whole.Summarize();
      if (!part) {
        // Nothing to see; but a punch that failed before may have left its space.
        auto finished = whole.FinishPunch(*owner_);
        if (!finished)
          return std::unexpected(std::move(finished).error().About(core_->file->path()));
        continue;
      }
      const auto at = [&](std::uint64_t frame) { return first + static_cast<std::int64_t>(frame); };
      if (part->written_frames != 0 &&
          (at(part->first) < range.first || range.end < at(part->end))) {
        auto done = EraseWithin(index, range);
        if (!done) return std::unexpected(std::move(done).error().About(core_->file->path()));
        report.erased_frames += done->unwritten_frames;
        report.zeroed_frames += done->zeroed_frames;
        continue;
      }
      auto punched = whole.Punch(*owner_);
      if (!punched) return std::unexpected(std::move(punched).error().About(core_->file->path()));
      report.erased_frames += part->written_frames;
    }
    return report;
  });
}

}  // namespace canvas
