#include "canvas/storage/page_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "canvas/storage/create.h"

namespace canvas::storage {
namespace {

constexpr PageIndex kPage(2);

class PageStoreTest : public ::testing::Test {
 protected:
  PageStoreTest() {
    std::string name = ::testing::TempDir() + "/canvas-XXXXXX";
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/sut.canvas";
    CreateRequest request;
    request.geometry.rate = {8000, 1};
    request.geometry.page_seconds = 1;
    request.geometry.wide_slots = 2;
    request.geometry.small_slots = 2;
    request.geometry.block_bytes = 512;
    request.geometry.extent_bytes = 4096;
    request.geometry.slot_align_bytes = 4096;
    request.geometry.wide_slot_bytes = 64 * 1024;
    request.geometry.small_slot_bytes = 16 * 1024;
    request.geometry.header_place_bytes = 64 * 1024;
    request.geometry.page_meta_places = 4;
    request.geometry.page_meta_place_bytes = 64 * 1024;
    request.geometry.capacity_pages = 4;
    EXPECT_TRUE(CreateCanvasFile(path_, request).has_value());
  }
  ~PageStoreTest() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<CanvasFile> Open(os::Access access = os::Access::kReadWrite) const {
    auto file = CanvasFile::Open(path_, {.access = access});
    EXPECT_TRUE(file.has_value()) << file.error().Message();
    return *file;
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
  void Poke(std::uint64_t at, std::uint64_t word) const {
    const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_EQ(pwrite(fd, &word, 8, static_cast<off_t>(at)), 8);
    close(fd);
  }
  SnapshotPlaces Places(const CanvasFile& file) const {
    return SnapshotPlaces::OfPage(file.geometry(), kPage);
  }

  std::string directory_;
  std::string path_;
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
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto file = Open();
      PageStore store(*file);
      for (;;) {
        if (!GiveOut(store)) _exit(1);
        if (write(ends[1], ".", 1) != 1) _exit(1);
      }
    }
    close(ends[1]);
    char dot = 0;
    std::uint64_t done = 0;
    for (int i = 0; i <= round; ++i)
      if (read(ends[0], &dot, 1) == 1) ++done;
    kill(child, SIGKILL);
    while (read(ends[0], &dot, 1) == 1) ++done;
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
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
        Poke(places.Place(place) + format::kSnapshotHeaderBytes, 0xBAD);
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
  Poke(to.root, root.ToWord());
  const auto current = sut.Current(PageIndex(1));
  ASSERT_FALSE(current.has_value());
  EXPECT_NE(current.error().what().find("says that it is page 2's"), std::string::npos);
}

}  // namespace
}  // namespace canvas::storage
