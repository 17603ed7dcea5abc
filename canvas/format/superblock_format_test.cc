#include "canvas/format/superblock_format.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "canvas/format/byte_io.h"

namespace canvas::format {
namespace {

Superblock Valid() {
  Superblock s;
  s.uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  s.created_unix_ns = 1'700'000'000'000'000'000;
  return s;
}

ErrorCode CodeOf(const SuperblockBytes& bytes, bool writable = false) {
  const auto decoded = DecodeSuperblock(bytes, writable);
  if (decoded) {
    ADD_FAILURE() << "decoded";
    return ErrorCode::kInvalidArgument;
  }
  EXPECT_FALSE(decoded.error().what().empty());
  return decoded.error().code();
}

TEST(Superblock, ReadsBackWhatWasWritten) {
  const auto decoded = DecodeSuperblock(EncodeSuperblock(Valid()), true);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().Message();
  EXPECT_EQ(*decoded, Valid());
}

TEST(Superblock, TellsWhyItIsNotOne) {
  auto bytes = EncodeSuperblock(Valid());
  bytes[1] = std::byte{'X'};
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kNotACanvas);

  bytes = EncodeSuperblock(Valid());
  StoreField(bytes, 8, std::uint32_t{0x04030201});
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kUnsupported) << "foreign byte order";
  StoreField(bytes, 8, std::uint32_t{0x11111111});
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kCorrupt);

  Superblock newer = Valid();
  newer.major_version = 2;
  EXPECT_EQ(CodeOf(EncodeSuperblock(newer)), ErrorCode::kUnsupported);
}

TEST(Superblock, EveryFlippedBitIsNoticed) {
  const auto good = EncodeSuperblock(Valid());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << bit % 8)};
    ASSERT_FALSE(DecodeSuperblock(bytes, false).has_value()) << "bit " << bit;
  }
}

TEST(Superblock, FeatureWordsDecideWhoMayDoWhat) {
  Superblock s = Valid();
  s.features.compatible = 1;
  EXPECT_TRUE(DecodeSuperblock(EncodeSuperblock(s), true).has_value());
  s.features.read_only_compatible = 1;
  EXPECT_TRUE(DecodeSuperblock(EncodeSuperblock(s), false).has_value());
  EXPECT_EQ(CodeOf(EncodeSuperblock(s), true), ErrorCode::kUnsupported);
  s.features.incompatible = 1;
  EXPECT_EQ(CodeOf(EncodeSuperblock(s), false), ErrorCode::kUnsupported);
}

TEST(Superblock, ReservedBytesMustBeZero) {
  for (const std::size_t at : {std::size_t{464}, std::size_t{2000}, std::size_t{4087}}) {
    auto bytes = EncodeSuperblock(Valid());
    bytes[at] = std::byte{1};
    SealSuperblock(bytes);
    EXPECT_EQ(CodeOf(bytes), ErrorCode::kCorrupt) << at;
  }
  auto bytes = EncodeSuperblock(Valid());
  StoreField(bytes, 40, std::uint64_t{1});
  SealSuperblock(bytes);
  EXPECT_EQ(CodeOf(bytes), ErrorCode::kUnsupported) << "another layout";
}

TEST(Superblock, AFeatureThatIsNotKnownLicensesTheReserve) {
  for (const bool ro : {false, true}) {
    Superblock s = Valid();
    (ro ? s.features.read_only_compatible : s.features.compatible) = 1;
    auto bytes = EncodeSuperblock(s);
    bytes[2000] = std::byte{1};
    SealSuperblock(bytes);
    EXPECT_TRUE(DecodeSuperblock(bytes, false).has_value()) << ro;
  }
}

TEST(Superblock, NamesTheTableThatLiesElsewhere) {
  for (std::size_t i = 0; i < kTables; ++i)
    for (const std::size_t half : {0U, 8U}) {
      auto bytes = EncodeSuperblock(Valid());
      const std::size_t at = 160 + i * 16 + half;
      StoreField(bytes, at, LoadField<std::uint64_t>(bytes, at) + 4096);
      SealSuperblock(bytes);
      const auto decoded = DecodeSuperblock(bytes, false);
      ASSERT_FALSE(decoded.has_value());
      EXPECT_EQ(decoded.error().code(), ErrorCode::kUnsupported);
      EXPECT_NE(decoded.error().what().find(TableName(static_cast<TableId>(i))), std::string::npos)
          << decoded.error().what();
    }
}

// A change of any offset changes it. Whoever moves one on purpose writes the new number here.
TEST(Superblock, TheFingerprintIsThisOneForTheDefaultGeometry) {
  EXPECT_EQ(LayoutFingerprint(*Geometry::Make({})), 5198372573087448590U);
}

// Every field out of range, one at a time, under a checksum that matches.
TEST(Superblock, EveryGeometryFieldOutOfRangeIsRefused) {
  struct Case {
    std::size_t offset;
    std::size_t bytes;
    std::vector<std::uint64_t> values;
  };
  constexpr std::uint64_t kBig = ~std::uint64_t{0};
  const std::vector<Case> cases = {
      {72, 8, {0, kBig, std::uint64_t{1} << 32}},
      {80, 8, {0, kBig, std::uint64_t{1} << 32, 2}},  // 48000/2 is not in lowest terms
      {88, 4, {0, 3601, kBig}},
      {92, 4, {0, 1025, kBig}},
      {96, 4, {3073, kBig}},
      {100, 4, {0, 256, 511, 513, 3 * 4096, 2 * 1024 * 1024, kBig}},
      {104, 4, {0, 2048, 4097, 128 * 1024 * 1024, 16 * 1024, kBig}},
      {108, 4, {0, 3, 65, kBig}},
      {112, 4, {0, 4095, 4097, kBig}},
      {116, 4, {0, 3, 65, kBig}},
      {120, 4, {0, 4095, 4097, kBig}},
      {124, 4, {0, 2048, 4097, 128 * 1024 * 1024, kBig}},
      {128, 8, {0, 1, 11 * kMiB, 12 * kMiB + 1, (std::uint64_t{1} << 36) + 2 * kMiB, kBig}},
      {136, 8, {0, 1, kMiB, 2 * kMiB + 4096, (std::uint64_t{1} << 36) + 2 * kMiB, kBig}},
      {144, 8, {0, 1, kMaxPages - 1, kMaxPages + 1, kBig}},
      {152, 8, {0, kMaxPages + 1, kBig}},
  };
  for (const Case& c : cases) {
    for (const std::uint64_t value : c.values) {
      auto bytes = EncodeSuperblock(Valid());
      if (c.bytes == 4)
        StoreField(bytes, c.offset, static_cast<std::uint32_t>(value));
      else
        StoreField(bytes, c.offset, value);
      SealSuperblock(bytes);
      EXPECT_EQ(CodeOf(bytes), ErrorCode::kCorrupt) << "offset " << c.offset << " value " << value;
    }
  }
}

TEST(Superblock, UuidIsWrittenAsUsual) {
  EXPECT_EQ(ToString(Valid().uuid), "01020304-0506-0708-090a-0b0c0d0e0f10");
}

}  // namespace
}  // namespace canvas::format
