#include "canvas/storage/page_store.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "canvas/format/root.h"
#include "canvas/testing/small_file.h"

namespace canvas::storage {
namespace {

using testing::PokeWord;
using testing::Process;
using testing::SmallFileTest;

constexpr PageIndex kPage(2);

class PageStoreTest : public SmallFileTest {
 protected:
  // Writers and readers through mappings of their own.
  std::shared_ptr<CanvasFile> Open(os::Access access = os::Access::kReadWrite) const {
    return SmallFileTest::Open({.access = access});
  }
  static Result<void> GiveOut(PageStore& store, std::uint64_t ids = 1) {
    return store.Edit(kPage, [&](metadata::PageMetadata& page) -> Result<void> {
      page.next_ref_id += ids;
      return {};
    });
  }
  static std::uint64_t NextId(PageStore& store) {
    const auto current = store.Current(kPage);
    EXPECT_TRUE(current.has_value()) << current.error().Message();
    return current ? (*current)->next_ref_id : 0;
  }
  SnapshotPlaces Places(const CanvasFile& file) const {
    return SnapshotPlaces::OfPage(file.geometry(), kPage);
  }
};

TEST_F(PageStoreTest, APageHasEmptyMetadataUntilItIsEdited) {
  const auto reader_file = Open(os::Access::kReadOnly);
  PageStore reader(*reader_file);
  EXPECT_EQ(NextId(reader), 1U) << "of a page that is not there";
  EXPECT_EQ(reader.Pin(kPage).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(reader.Current(PageIndex(99)).error().code(), ErrorCode::kInvalidArgument);
  const auto file = Open();
  PageStore sut(*file);
  ASSERT_TRUE(file->EnsurePage(kPage).has_value());
  EXPECT_EQ(NextId(reader), 1U) << "of a page that is there";
  ASSERT_TRUE(GiveOut(sut).has_value());
  EXPECT_EQ(NextId(sut), 2U);
  EXPECT_EQ(NextId(reader), 2U) << "another handle";
  EXPECT_EQ((*reader.Current(kPage))->page, kPage);
  EXPECT_EQ((*reader.Current(PageIndex(1)))->next_ref_id, 1U) << "and no other page";
  EXPECT_EQ(GiveOut(reader).error().code(), ErrorCode::kReadOnly);
}

TEST_F(PageStoreTest, APinnedVersionStaysAndEditsGoOn) {
  const auto file = Open();
  PageStore sut(*file);
  ASSERT_TRUE(GiveOut(sut).has_value());
  const auto reader_file = Open(os::Access::kReadOnly);
  PageStore reader(*reader_file);
  const auto pin = reader.Pin(kPage);
  ASSERT_TRUE(pin.has_value()) << pin.error().Message();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(GiveOut(sut).has_value()) << i;
  EXPECT_EQ(pin->Decode()->next_ref_id, 2U);
  EXPECT_EQ(NextId(reader), 12U);
  EXPECT_LT(pin->generation(), reader.Pin(kPage)->generation());
}

TEST_F(PageStoreTest, WhenEveryPlaceIsPinnedAnEditIsRefused) {
  const auto file = Open();
  PageStore sut(*file);
  const auto reader_file = Open(os::Access::kReadOnly);
  PageStore reader(*reader_file);
  std::vector<PagePin> held;
  Result<void> edited = GiveOut(sut);
  for (int i = 0; i < 8 && edited; ++i) {
    held.push_back(*reader.Pin(kPage));
    edited = GiveOut(sut);
  }
  ASSERT_FALSE(edited.has_value());
  EXPECT_EQ(edited.error().code(), ErrorCode::kLimit);
  EXPECT_NE(edited.error().what().find("page 2's metadata"), std::string::npos)
      << edited.error().what();
  held.clear();
  EXPECT_TRUE(GiveOut(sut).has_value());
}

// An editor that is killed leaves a version whole, or the one before.
TEST_F(PageStoreTest, KilledEditorsLeaveAWholeVersion) {
  std::uint64_t before = 1;
  for (int round = 0; round < 40; ++round) {
    Process editor([&](const Process::Line& line) {
      const auto file = Open();
      PageStore store(*file);
      while (GiveOut(store)) line.Say('.');
      return 1;
    });
    std::uint64_t done = 0;
    for (int i = 0; i <= round; ++i)
      if (editor.Hear() == '.') ++done;
    editor.Kill();
    while (editor.Hear() == '.') ++done;
    ASSERT_EQ(editor.Wait(), 128 + SIGKILL);
    const auto file = Open();
    PageStore sut(*file);
    const std::uint64_t now = NextId(sut);
    EXPECT_GE(now, before + done);
    EXPECT_LE(now, before + done + 1);
    ASSERT_TRUE(GiveOut(sut).has_value());
    before = now + 1;
  }
}

TEST_F(PageStoreTest, ALostVersionIsToldAndTheOneThatWasSyncedIsRead) {
  {
    const auto file = Open();
    PageStore sut(*file);
    ASSERT_TRUE(GiveOut(sut).has_value());
    ASSERT_TRUE(file->Sync().has_value());
    const auto places = Places(*file);
    const auto words = places.Words(file->read_base());
    EXPECT_EQ(sync::ReadDurable(words), sync::ReadRoot(words)) << "page roots are synced too";
    // Many more: the durable one's place is not reused.
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(GiveOut(sut).has_value());
    for (std::uint32_t place = 0; place < places.places; ++place)
      if (place != sync::ReadDurable(words).place)
        PokeWord(path_, places.Place(place) + format::kSnapshotHeaderBytes, 0xBAD);
  }
  const auto file = Open();
  PageStore sut(*file);
  EXPECT_EQ(NextId(sut), 2U);
  const auto edited = GiveOut(sut);
  ASSERT_FALSE(edited.has_value());
  EXPECT_EQ(edited.error().code(), ErrorCode::kCorrupt);
}

TEST_F(PageStoreTest, AnotherPagesMetadataIsNotTakenForIts) {
  const auto file = Open();
  PageStore sut(*file);
  ASSERT_TRUE(GiveOut(sut).has_value());
  ASSERT_TRUE(file->EnsurePage(PageIndex(1)).has_value());
  const auto from = Places(*file);
  const auto to = SnapshotPlaces::OfPage(file->geometry(), PageIndex(1));
  const format::Root root = sync::ReadRoot(from.Words(file->read_base()));
  std::vector<std::byte> place(4096);
  ASSERT_TRUE(ReadAt(file->fd(), from.Place(root.place), place).has_value());
  ASSERT_TRUE(file->WriteBytes(to.Place(root.place), place).has_value());
  PokeWord(path_, to.root, root.ToWord());
  const auto current = sut.Current(PageIndex(1));
  ASSERT_FALSE(current.has_value());
  EXPECT_NE(current.error().what().find("says that it is page 2's"), std::string::npos);
}

}  // namespace
}  // namespace canvas::storage
