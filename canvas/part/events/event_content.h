// Events, as a content: a list in two halves.
//
// Thread safety: as Content.
#pragma once

#include <memory>
#include <optional>

#include "canvas/part/content.h"
#include "canvas/part/events/event_part.h"
#include "canvas/part/events/event_writer.h"

namespace canvas::part::events {

class EventContent final : public Content {
 public:
  static Result<std::unique_ptr<const Content>> Make(const metadata::LaneRecord& lane,
                                                     const format::Geometry& geometry);
  explicit EventContent(const EventPlace& place) : place_(place) {}

  const LanePlace& place() const override { return place_; }
  const EventPlace& event_place() const { return place_; }
  std::optional<PartSummary> Summarize(const PartRef& part) const noexcept override;
  void WillSummarize(const PartRef&) const noexcept override {}
  Result<Erased> Erase(storage::CanvasFile& file, PageIndex page, const storage::Ownership& owner,
                       std::uint64_t first, std::uint64_t end) const override;
  void Check(const PartRef& part, const FoundPart& found, CheckLog& log) const override;
  std::optional<PartTrace> Trace(const PartRef& part) const override;
  void Compare(const PartTrace& before, const PartTrace& now,
               const DifferenceSink& emit) const override;

 private:
  // An edit of events needs nothing: it is there as a whole, or not at all.
  Result<void> PutRight(const PartRef&, const storage::Intent&) const override { return {}; }

  EventPlace place_;
};

// Every event of a part, with its bytes. Errors: kBusy (an owner edited it all the while: not
// under one's own ownership), kCorrupt.
struct ListCopy {
  std::vector<format::EventRecord> records;
  std::vector<std::byte> bytes;  // of those that do not fit, one behind the other
  std::vector<std::size_t> at;   // by record: where its bytes begin; as many as records
  std::span<const std::byte> BytesOf(std::size_t index) const;
  NewEvent operator[](std::size_t index) const {
    const format::EventRecord& record = records[index];
    return {record.frame, record.tick, record.kind, record.tag, BytesOf(index)};
  }
};
Result<ListCopy> CopyList(const PartRef& part, const FoundPart& found, const EventPlace& place);

}  // namespace canvas::part::events
