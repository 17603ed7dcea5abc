#include "canvas/os/os_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "canvas/testing/basics.h"

namespace canvas::os {
namespace {

namespace fs = std::filesystem;
using testing::AllocatedBytes;
using testing::CodeOf;
using testing::InChild;
using testing::Must;
using testing::TempDir;

constexpr std::uint64_t kBlock = 4096;  // of the file system

class OsFile : public ::testing::Test {
 protected:
  UniqueFd Open(Access access = Access::kReadWrite) const {
    return Must(OpenRegular(path_, access));
  }
  // Bytes [0, count) are `value`.
  void Fill(std::uint64_t count, unsigned char value = 1) const {
    const std::vector bytes(count, std::byte{value});
    Must(WriteAt(sut_, 0, bytes));
  }
  std::vector<int> Bytes(std::uint64_t first, std::uint64_t end) const {
    std::vector<std::byte> bytes(end - first);
    Must(ReadAt(sut_, first, bytes));
    std::vector<int> values;
    for (const std::byte byte : bytes) values.push_back(std::to_integer<int>(byte));
    return values;
  }
  static std::vector<int> Same(std::uint64_t count, int value) {
    return std::vector<int>(count, value);
  }
  ErrorCode Opening(Access access = Access::kReadOnly) const {
    return CodeOf(OpenRegular(path_, access));
  }

  TempDir dir_;
  std::string path_ = dir_.path("sut");
  UniqueFd sut_ = [this] {
    std::fclose(std::fopen(path_.c_str(), "w"));
    return Open();
  }();
};

// ---- opening

TEST_F(OsFile, ADirectoryIsNotOpened) {
  path_ = dir_.root().string();
  for (const Access access : {Access::kReadOnly, Access::kReadWrite})
    EXPECT_EQ(Opening(access), ErrorCode::kNotACanvas);
}

TEST_F(OsFile, AFifoIsNotWaitedFor) {
  path_ = dir_.path("fifo");
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(InChild([&] {
              alarm(60);
              for (const Access access : {Access::kReadOnly, Access::kReadWrite})
                EXPECT_EQ(Opening(access), ErrorCode::kNotACanvas);
              return 0;
            }),
            0);
}

TEST_F(OsFile, ADeviceIsNotOpened) {
  path_ = "/dev/null";
  EXPECT_EQ(Opening(), ErrorCode::kNotACanvas);
}

TEST_F(OsFile, ASocketIsNotOpened) {
  const UniqueFd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // A short path: sun_path holds no long one.
  const std::string directory = "/proc/self/fd/";
  const UniqueFd here(open(dir_.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  path_ = directory + std::to_string(here.get()) + "/socket";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path_, address.sun_path);
  ASSERT_EQ(bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(Opening(), ErrorCode::kNotACanvas);
}

TEST_F(OsFile, AFileThatIsNotThereIsSaidToBeNotFound) {
  path_ = dir_.path("nothing");
  for (const Access access : {Access::kReadOnly, Access::kReadWrite})
    EXPECT_EQ(Opening(access), ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(path_)) << "and is not made";
}

TEST_F(OsFile, ASymlinkIsFollowedToARegularFile) {
  Fill(3, 7);
  fs::create_symlink(path_, dir_.path("link"));
  const UniqueFd fd = Must(OpenRegular(dir_.path("link"), Access::kReadOnly));
  EXPECT_EQ(Must(FileSize(fd)), 3U);
}

TEST_F(OsFile, ASymlinkToWhatIsNoRegularFileIsNotOpened) {
  fs::create_symlink(dir_.root(), dir_.path("to a directory"));
  fs::create_symlink("nothing", dir_.path("to nothing"));
  fs::create_symlink("to itself", dir_.path("to itself"));
  path_ = dir_.path("to a directory");
  EXPECT_EQ(Opening(), ErrorCode::kNotACanvas);
  path_ = dir_.path("to nothing");
  EXPECT_EQ(Opening(), ErrorCode::kNotFound);
  path_ = dir_.path("to itself");
  EXPECT_EQ(Opening(), ErrorCode::kIo);
}

TEST_F(OsFile, WhatIsOpenedForReadingIsNotWritten) {
  const UniqueFd reader = Open(Access::kReadOnly);
  const std::byte byte{};
  EXPECT_EQ(CodeOf(WriteAt(reader, 0, std::span(&byte, 1))), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(Reserve(reader, 0, kBlock, false)), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(PunchHole(reader, 0, kBlock)), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(SetSize(reader, kBlock)), ErrorCode::kIo);
}

TEST_F(OsFile, NoDescriptorReachesAProgramThatIsExecuted) {
  const UniqueFd again = Must(Reopen(sut_, Access::kReadOnly));
  for (const int fd : {sut_.get(), again.get()}) EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(OsFile, WhatIsOpenedAgainIsTheSameFileByAnotherDescription) {
  const UniqueFd again = Must(Reopen(sut_, Access::kReadWrite));
  Fill(3, 7);
  EXPECT_EQ(Must(FileSize(again)), 3U);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(fcntl(sut_.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(fcntl(again.get(), F_OFD_SETLK, &lock), -1) << "its locks are its own";
}

TEST_F(OsFile, WhatWasRenamedAndUnlinkedIsOpenedAgainAllTheSame) {
  Fill(3);
  fs::rename(path_, dir_.path("renamed"));
  EXPECT_EQ(Must(FileSize(Must(Reopen(sut_, Access::kReadOnly)))), 3U);
  fs::remove(dir_.path("renamed"));
  EXPECT_EQ(Must(FileSize(Must(Reopen(sut_, Access::kReadOnly)))), 3U);
}

TEST_F(OsFile, ADescriptorIsClosedWithItsLastHolder) {
  int number = -1;
  {
    UniqueFd first = Open();
    number = first.get();
    const UniqueFd second = std::move(first);
    EXPECT_FALSE(static_cast<bool>(first));
    first.Reset();
    EXPECT_NE(fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

// ---- sizes, reading and writing

TEST_F(OsFile, TheSizeOfNoFileIsAnErrorOrZero) {
  EXPECT_EQ(CodeOf(FileSize(UniqueFd())), ErrorCode::kIo);
  EXPECT_EQ(FileSizeOrZero(UniqueFd()), 0U);
  Fill(5);
  EXPECT_EQ(FileSizeOrZero(sut_), 5U);
}

TEST_F(OsFile, ReadingBeyondTheEndSaysWhereThatIs) {
  Fill(5);
  std::vector<std::byte> bytes(3);
  Must(ReadAt(sut_, 2, bytes));
  const auto read = ReadAt(sut_, 3, bytes);
  EXPECT_EQ(CodeOf(read), ErrorCode::kCorrupt);
  EXPECT_NE(read.error().what().find("ends at byte 5"), std::string::npos) << read.error().what();
}

TEST_F(OsFile, WhatIsWrittenSomewhereIsThereAndNowhereElse) {
  Fill(6, 1);
  const std::vector bytes(2, std::byte{9});
  Must(WriteAt(sut_, 2, bytes));
  EXPECT_EQ(Bytes(0, 6), (std::vector{1, 1, 9, 9, 1, 1}));
}

TEST_F(OsFile, NothingIsReadOrWrittenOfNoFile) {
  std::vector<std::byte> bytes(3);
  EXPECT_EQ(CodeOf(ReadAt(UniqueFd(), 0, bytes)), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(WriteAt(UniqueFd(), 0, bytes)), ErrorCode::kIo);
}

TEST_F(OsFile, ASizeIsSetUpAndDown) {
  Must(SetSize(sut_, 9000));
  EXPECT_EQ(Must(FileSize(sut_)), 9000U);
  Must(SetSize(sut_, 10));
  EXPECT_EQ(Must(FileSize(sut_)), 10U);
}

// ---- space

TEST_F(OsFile, SpaceIsReservedInWholeBlocks) {
  Must(Reserve(sut_, 3 * kBlock - 1, 2, true));
  EXPECT_EQ(AllocatedBytes(path_), 2 * kBlock);
}

TEST_F(OsFile, AReservationLeavesTheSizeAlone) {
  Fill(10);
  Must(Reserve(sut_, 0, 3 * kBlock, false));
  EXPECT_EQ(Must(FileSize(sut_)), 10U);
}

TEST_F(OsFile, AReservationLeavesWhatIsThere) {
  Fill(100, 7);
  Must(Reserve(sut_, 0, 3 * kBlock, false));
  EXPECT_EQ(Bytes(0, 100), Same(100, 7));
}

TEST_F(OsFile, AReservationThatGrowsReachesItsEndAndShortensNothing) {
  Must(ReserveAndGrow(sut_, kBlock, 100));
  EXPECT_EQ(Must(FileSize(sut_)), kBlock + 100);
  EXPECT_EQ(AllocatedBytes(path_), kBlock);
  Must(ReserveAndGrow(sut_, 0, 100));
  EXPECT_EQ(Must(FileSize(sut_)), kBlock + 100);
}

TEST_F(OsFile, AHoleReadsAsZerosToTheByteAndGivesWholeBlocksBack) {
  Fill(4 * kBlock, 7);
  Must(PunchHole(sut_, kBlock - 10, 2 * kBlock));
  EXPECT_EQ(Bytes(0, kBlock - 10), Same(kBlock - 10, 7));
  EXPECT_EQ(Bytes(kBlock - 10, 3 * kBlock - 10), Same(2 * kBlock, 0));
  EXPECT_EQ(Bytes(3 * kBlock - 10, 4 * kBlock), Same(kBlock + 10, 7));
  EXPECT_EQ(AllocatedBytes(path_), 3 * kBlock);
}

TEST_F(OsFile, AHoleLeavesTheSizeAlone) {
  Fill(2 * kBlock);
  Must(PunchHole(sut_, kBlock, 10 * kBlock));
  EXPECT_EQ(Must(FileSize(sut_)), 2 * kBlock);
}

// ---- a limit on file size, and a disk that is full

// In a child whose files may have so many bytes.
template <typename Body>
int WithSizeLimit(rlim_t limit, Body body) {
  return InChild([&] {
    const rlimit limits{limit, limit};
    setrlimit(RLIMIT_FSIZE, &limits);
    body();
    return 0;
  });
}

TEST_F(OsFile, ALimitOnFileSizeIsAnErrorAndNotASignal) {
  EXPECT_EQ(WithSizeLimit(
                2 * kBlock,
                [&] {
                  EXPECT_EQ(CodeOf(Reserve(sut_, kBlock, 2 * kBlock, false)), ErrorCode::kNoSpace);
                  EXPECT_EQ(CodeOf(ReserveAndGrow(sut_, kBlock, 2 * kBlock)), ErrorCode::kNoSpace);
                  EXPECT_EQ(CodeOf(SetSize(sut_, 2 * kBlock + 1)), ErrorCode::kNoSpace);
                }),
            0);
  EXPECT_EQ(AllocatedBytes(path_), 0U);
}

TEST_F(OsFile, UpToTheLimitOnFileSizeAllIsWell) {
  EXPECT_EQ(WithSizeLimit(2 * kBlock,
                          [&] {
                            Must(Reserve(sut_, kBlock, kBlock, false));
                            Must(ReserveAndGrow(sut_, kBlock, kBlock));
                            Must(SetSize(sut_, 2 * kBlock));
                          }),
            0);
}

TEST_F(OsFile, AFailedReservationOfWhatIsInUseTakesNothingAway) {
  Fill(2 * kBlock, 7);
  EXPECT_EQ(
      WithSizeLimit(
          2 * kBlock,
          [&] { EXPECT_EQ(CodeOf(Reserve(sut_, 0, 3 * kBlock, false)), ErrorCode::kNoSpace); }),
      0);
  EXPECT_EQ(Bytes(0, 2 * kBlock), Same(2 * kBlock, 7));
}

TEST_F(OsFile, AFailedReservationOfFreshSpaceGivesBackWhatItTook) {
  Must(SetSize(sut_, 4 * kBlock));           // beyond the end ext4 gives nothing back
  Must(Reserve(sut_, 0, 2 * kBlock, true));  // as an attempt that failed half way leaves it
  EXPECT_EQ(
      WithSizeLimit(
          2 * kBlock,
          [&] { EXPECT_EQ(CodeOf(Reserve(sut_, 0, 3 * kBlock, true)), ErrorCode::kNoSpace); }),
      0);
  EXPECT_EQ(AllocatedBytes(path_), 0U);
}

TEST_F(OsFile, AFullDiskIsAnErrorAndRoomEndsIt) {
  const TempDir small;
  if (mount("tmpfs", small.root().c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "SKIPPED: mounting a small tmpfs is not permitted here";
  {
    path_ = small.path("sut");
    std::fclose(std::fopen(path_.c_str(), "w"));
    const UniqueFd sut = Open();
    EXPECT_EQ(CodeOf(Reserve(sut, 0, 17 * kBlock, true)), ErrorCode::kNoSpace);
    EXPECT_EQ(AllocatedBytes(path_), 0U);
    Must(Reserve(sut, 0, 16 * kBlock, true));
    EXPECT_EQ(CodeOf(ReserveAndGrow(sut, 16 * kBlock, 1)), ErrorCode::kNoSpace);
    Must(PunchHole(sut, 3 * kBlock, kBlock));
    Must(ReserveAndGrow(sut, 16 * kBlock, 1));
  }
  umount2(small.root().c_str(), MNT_DETACH);
}

// ---- what is there

class OsFileData : public OsFile {
 protected:
  // Data in the third block of ten.
  OsFileData() {
    Must(SetSize(sut_, 10 * kBlock));
    const std::byte byte{7};
    Must(WriteAt(sut_, 2 * kBlock + 5, std::span(&byte, 1)));
  }
  std::pair<std::uint64_t, std::uint64_t> Next(std::uint64_t offset, std::uint64_t end) const {
    const ByteSpan data = NextData(sut_, offset, end);
    return {data.first, data.end};
  }
  static std::pair<std::uint64_t, std::uint64_t> Span(std::uint64_t first, std::uint64_t end) {
    return {first, end};
  }
};

TEST_F(OsFileData, IsFoundBehindAHole) {
  EXPECT_EQ(Next(100, 10 * kBlock), Span(2 * kBlock, 3 * kBlock));
}

TEST_F(OsFileData, IsFoundFromWithin) {
  EXPECT_EQ(Next(2 * kBlock + 9, 10 * kBlock), Span(2 * kBlock + 9, 3 * kBlock));
}

TEST_F(OsFileData, IsCutAtTheEndThatWasAskedFor) {
  EXPECT_EQ(Next(0, 2 * kBlock + 8), Span(2 * kBlock, 2 * kBlock + 8));
}

TEST_F(OsFileData, ThatBeginsAtTheEndThatWasAskedForIsNone) {
  EXPECT_EQ(Next(0, 2 * kBlock), Span(2 * kBlock, 2 * kBlock));
  EXPECT_EQ(Next(0, kBlock), Span(kBlock, kBlock));
}

TEST_F(OsFileData, IsNotBehindTheLast) {
  EXPECT_EQ(Next(3 * kBlock, 10 * kBlock), Span(10 * kBlock, 10 * kBlock));
}

TEST_F(OsFileData, IsNotBeyondTheEndOfTheFile) {
  EXPECT_EQ(Next(11 * kBlock, 20 * kBlock), Span(20 * kBlock, 20 * kBlock));
}

TEST_F(OsFileData, IsAllOfAFileThatCannotTell) {
  const ByteSpan data = NextData(UniqueFd(), 100, 200);
  EXPECT_EQ(data.first, 100U);
  EXPECT_EQ(data.end, 200U);
}

TEST_F(OsFile, WhatWasJustWrittenIsInTheCache) {
  Fill(10);
  EXPECT_TRUE(IsCached(sut_, 0));
}

TEST_F(OsFile, WhatWasDroppedIsNotInTheCacheUntilItIsRead) {
  Fill(10);
  ASSERT_EQ(fsync(sut_.get()), 0);
  ASSERT_EQ(posix_fadvise(sut_.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  struct statfs info {};
  ASSERT_EQ(fstatfs(sut_.get(), &info), 0);
  if (info.f_type == TMPFS_MAGIC) GTEST_SKIP() << "SKIPPED: files stay in memory here";
  EXPECT_FALSE(IsCached(sut_, 0));
  Bytes(0, 1);
  EXPECT_TRUE(IsCached(sut_, 0));
}

TEST_F(OsFile, WhatCannotBeToldIsTakenForCached) { EXPECT_TRUE(IsCached(UniqueFd(), 0)); }

TEST_F(OsFile, ALocalFileSystemServes) {
  EXPECT_TRUE(CheckFileSystem(sut_, false).has_value());
  const TempDir shm(fs::path("/dev/shm"));
  path_ = shm.path("sut");
  std::fclose(std::fopen(path_.c_str(), "w"));
  EXPECT_TRUE(CheckFileSystem(Open(), false).has_value());
}

TEST_F(OsFile, NoFileHasAFileSystem) {
  EXPECT_EQ(CodeOf(CheckFileSystem(UniqueFd(), false)), ErrorCode::kIo);
}

}  // namespace
}  // namespace canvas::os
