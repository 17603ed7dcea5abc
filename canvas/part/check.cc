#include "canvas/part/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "canvas/format/control_words.h"
#include "canvas/format/owner_table.h"
#include "canvas/format/page_words.h"
#include "canvas/format/root.h"
#include "canvas/format/slot_words.h"
#include "canvas/part/contents.h"
#include "canvas/sync/part_life.h"
#include "canvas/sync/presence.h"

namespace canvas::part {
namespace {

namespace control = format::control;

class Checker : private CheckLog {
 public:
  Checker(const storage::CanvasFile& file, storage::HeaderStore& headers,
          const storage::OwnerTable& owners)
      : file_(file), headers_(headers), owners_(owners), slots_(file.geometry()) {}

  CheckReport Run() {
    Superblocks();
    ControlWords();
    Header();
    Owners();
    Pages();
    if (file_.mapped_pages() < file_.CapacityPages())
      Note("pages from {} on were not looked at: they lie past the mapping limit",
           file_.mapped_pages());
    if (suppressed_ > 0) out_.findings.push_back(fmt::format("and {} more findings", suppressed_));
    return std::move(out_);
  }

 private:
  void AddFinding(std::string text) override {
    if (out_.findings.size() < kMaxFindings)
      out_.findings.push_back(std::move(text));
    else
      ++suppressed_;
  }
  void AddNote(std::string text) override {
    if (out_.notes.size() < kMaxFindings) out_.notes.push_back(std::move(text));
  }
  void CountBlocks(std::uint64_t blocks) override { out_.blocks += blocks; }

  void Superblocks() {
    for (std::uint64_t copy = 0; copy < format::kSuperblockCopies; ++copy) {
      format::SuperblockBytes bytes;
      if (auto read = ReadAt(file_.fd(), copy * format::kSuperblockBytes, bytes); !read) {
        Finding("superblock copy {}: {}", copy, read.error().what());
        continue;
      }
      if (const auto superblock = format::DecodeSuperblock(bytes, false); !superblock)
        Finding("superblock copy {}: {}", copy, superblock.error().what());
    }
  }

  void ControlWords() {
    const std::uint64_t entries = sync::Peek(file_.ReadControl(control::kOwnerEntries));
    if (entries > format::kOwnerEntries)
      Finding("control words: {} owner entries, and there is room for {}", entries,
              format::kOwnerEntries);
  }

  void Header() {
    const auto header = headers_.Current();
    if (!header) {
      Finding("{}", header.error().what());
      return;
    }
    const auto root = format::Root::FromWord(sync::Peek(file_.ReadControl(control::kHeaderRoot)));
    if (headers_.recovered())
      Finding("header generation {} in place {} cannot be read; an older one is used",
              root.generation, root.place);
    for (const metadata::LaneRecord& lane : (*header)->lanes)
      if (!metadata::IsKnown(lane.kind))
        Note("lane '{}' is of a kind that is not known here; it was not looked at", lane.name);
    if (auto contents = Contents::Of(**header, file_.geometry())) contents_ = *std::move(contents);
    slots_ = SlotTable(file_.geometry(), contents_);
    out_.lanes = (*header)->lanes.size();
  }

  void Owners() {
    const auto unrepaired = owners_.Unrepaired();
    if (!unrepaired) {
      Finding("owner table: {}", unrepaired.error().what());
      return;
    }
    if (auto living = owners_.Living()) living_ = *std::move(living);
    for (const auto& [owner, intent] : *unrepaired) {
      intents_.emplace_back(owner.lane, intent.page);
      const char* what = "writing";
      if (intent.operation == format::Operation::kOverwrite) what = "overwriting";
      if (intent.operation == format::Operation::kErase) what = "erasing blocks of";
      if (intent.operation == format::Operation::kPunch) what = "giving back";
      Note("lane {}, page {}: {} (pid {}) died {} it; the next owner puts it right",
           owner.lane.value(), intent.page.value(), owner.name.empty() ? "an owner" : owner.name,
           owner.pid, what);
    }
  }

  // Those that the index has an entry for, in the parts of it that are there.
  void Pages() {
    constexpr std::uint64_t kPagesPerChunk = format::kFileBlock / 8;
    const sync::Word* chunks =
        sync::WordAt(file_.read_base(), format::kControlOffset + control::kIndexChunks);
    for (std::uint64_t page = 0; page < file_.mapped_pages(); ++page) {
      if (!sync::ReadBit(chunks, storage::CanvasFile::IndexChunk(
                                     PageIndex(static_cast<std::uint32_t>(page))))) {
        page = (page / kPagesPerChunk + 1) * kPagesPerChunk - 1;
        continue;
      }
      if (page % kPagesAtOnce == 0) WillLookAtPages(page);
      Page(PageIndex(static_cast<std::uint32_t>(page)));
    }
  }

  // Has the disk asked for what the next pages have, all of it at a time.
  void WillLookAtPages(std::uint64_t first) {
    const std::uint64_t end = std::min(first + kPagesAtOnce, file_.mapped_pages());
    file_.WillLookAtPages(first, end);
    std::vector<PageIndex> ready;
    for (std::uint64_t page = first; page < end; ++page)
      if (const PageIndex index(static_cast<std::uint32_t>(page)); file_.PageReady(index))
        ready.push_back(index);
    WillLookAt(file_, contents_, slots_, ready);
  }

  void Page(PageIndex page) {
    const std::uint64_t entry = sync::Observe(*sync::WordAt(
        file_.read_base(), format::kPageIndexOffset + std::uint64_t{page.value()} * 8));
    if (entry == 0) return;
    ++out_.pages;
    if (entry != format::kPageReady) {
      Finding("page {}: its index entry is {:#x}", page.value(), entry);
      return;
    }
    const bool covered = file_.Covers(file_.geometry().PageEnd(page).value());
    const std::uint64_t number =
        covered
            ? sync::Peek(file_.PageWord(file_.read_base(), page, format::page_control::kPageNumber))
            : 0;
    if (number == 0) {
      Note(
          "page {}: absent, though the index has it: its growth was never synced, and a power loss "
          "took it",
          page.value());
      return;
    }
    if (number != std::uint64_t{page.value()} + 1) {
      Finding("page {}: its control says it is page {}", page.value(),
              static_cast<std::int64_t>(number) - 1);
      return;
    }
    slots_.ForEachPresent(file_, page, [&](std::size_t lane) {
      Part(contents_.lanes[lane]->Part(file_, page), *contents_.lanes[lane]);
    });
  }

  void Part(const PartRef& part, const Content& content) {
    const storage::PartWords words = part.Words(file_.read_base());
    const std::uint64_t life_word = sync::ReadLife(words);
    const auto life = format::Life::FromWord(life_word);
    if (!life.valid()) Finding("{}: an impossible life word {:#x}", NameOf(part), life_word);
    if (sync::PunchUnfinished(words))
      Note("{}: punched, and its space not yet given back; the next owner does", NameOf(part));
    if (life.state != format::PartState::kReady) return;
    ++out_.parts;
    if (const std::uint64_t id = sync::ReadLane(words); id != part.lane().id.value()) {
      Finding("{}: its slot belongs to lane {}", NameOf(part), id);
      return;
    }
    content.Check(part, {words, life_word}, *this);
    if (sync::ReadLife(words) != life_word)
      Note("{}: changed while it was looked at", NameOf(part));
  }

  bool Accounted(const PartRef& part, const std::function<bool()>& half_done) override {
    if (Owned(part.lane().id, part.page())) return true;
    // An owner may have come since, or have come and gone.
    if (auto living = owners_.Living()) living_ = *std::move(living);
    return Owned(part.lane().id, part.page()) || !half_done();
  }
  bool Owned(LaneId lane, PageIndex page) const {
    return std::ranges::any_of(living_,
                               [&](const storage::OwnerInfo& owner) {
                                 return owner.lane == lane && owner.pages.Contains(page);
                               }) ||
           std::ranges::find(intents_, std::pair(lane, page)) != intents_.end();
  }

  static constexpr std::size_t kMaxFindings = 100;
  static constexpr std::uint64_t kPagesAtOnce =
      64;  // a whole number of them in a chunk of the index
  const storage::CanvasFile& file_;
  storage::HeaderStore& headers_;
  const storage::OwnerTable& owners_;
  Contents contents_;
  SlotTable slots_;
  std::vector<storage::OwnerInfo> living_;
  std::vector<std::pair<LaneId, PageIndex>> intents_;  // of the dead
  std::uint64_t suppressed_ = 0;
  CheckReport out_;
};

}  // namespace

CheckReport CheckCanvas(const storage::CanvasFile& file, storage::HeaderStore& headers,
                        const storage::OwnerTable& owners) {
  return Checker(file, headers, owners).Run();
}

}  // namespace canvas::part
