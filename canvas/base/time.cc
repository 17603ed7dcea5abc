#include "canvas/base/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <numeric>

namespace canvas {
namespace {

__extension__ using Int128 = __int128;  // the products of this file need up to 127 bits

constexpr std::uint64_t kRateLimit = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMaxDecimals = 9;
constexpr std::int64_t kMaxSeconds = 1'000'000'000;  // 31 years: products stay far below 2^127

constexpr std::string_view kPositionHint =
    "give seconds (90.5), a clock (1:02:03.250) or frames (4320000f), with at most nine decimals";

Int128 FloorDiv(Int128 a, Int128 b) {  // b > 0
  const Int128 quotient = a / b;
  return quotient * b > a ? quotient - 1 : quotient;
}

Int128 CeilDiv(Int128 a, Int128 b) { return -FloorDiv(-a, b); }

// Digits only: no sign, no space, nothing left over.
Result<std::int64_t> ParseDigits(std::string_view digits) {
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, status] = std::from_chars(digits.data(), end, value);
  if (digits.empty()) return Fail(ErrorCode::kInvalidArgument, "digits are missing");
  if (status == std::errc::result_out_of_range && stop == end && digits[0] != '-')
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is too large", digits));
  if (digits[0] == '-' || status != std::errc() || stop != end)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a number", digits));
  return value;
}

Result<Time> ParseDecimal(std::string_view text) {
  const auto dot = text.find('.');
  // ".5" is half a second.
  CANVAS_ASSIGN(const std::int64_t whole,
                dot == 0 ? Result<std::int64_t>(0) : ParseDigits(text.substr(0, dot)));
  if (whole > kMaxSeconds) return Fail(ErrorCode::kInvalidArgument, "the time is too large");
  Time time{whole, 1};
  if (dot == std::string_view::npos) return time;
  const std::string_view decimals = text.substr(dot + 1);
  if (decimals.size() > kMaxDecimals)
    return Fail(ErrorCode::kInvalidArgument, "more than nine decimals");
  CANVAS_ASSIGN(const std::int64_t fraction, ParseDigits(decimals));
  for (std::size_t i = 0; i < decimals.size(); ++i) time.den *= 10;
  time.num = whole * time.den + fraction;
  return time;
}

// "[H:]M:S", where everything below the highest is under 60.
Result<Time> ParseClock(std::string_view text) {
  std::int64_t minutes = 0;
  bool first = true;
  for (int fields = 0;; ++fields) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) break;
    if (fields == 2) return Fail(ErrorCode::kInvalidArgument, "more than three clock fields");
    CANVAS_ASSIGN(const std::int64_t field, ParseDigits(text.substr(0, colon)));
    if (field > kMaxSeconds || (!first && field >= 60))
      return Fail(ErrorCode::kInvalidArgument, "minutes of 60 and more");
    minutes = minutes * 60 + field;
    first = false;
    text.remove_prefix(colon + 1);
  }
  CANVAS_ASSIGN(Time time, ParseDecimal(text));
  if (!first && time.num >= 60 * time.den)
    return Fail(ErrorCode::kInvalidArgument, "seconds of 60 and more");
  if (minutes > kMaxSeconds / 60) return Fail(ErrorCode::kInvalidArgument, "the time is too large");
  time.num += minutes * 60 * time.den;
  return time;
}

}  // namespace

Result<Rate> Rate::Make(std::uint64_t num, std::uint64_t den) {
  if (num == 0 || den == 0 || num > kRateLimit || den > kRateLimit)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("a rate of {}/{} Hz", num, den),
                "numerator and denominator are 1 to 4294967295");
  const std::uint64_t divisor = std::gcd(num, den);
  return Rate{num / divisor, den / divisor};
}

Result<Rate> ParseRate(std::string_view text) {
  const auto slash = text.find('/');
  auto num = ParseDigits(text.substr(0, slash));
  auto den = slash == std::string_view::npos ? Result<std::int64_t>(1)
                                             : ParseDigits(text.substr(slash + 1));
  if (!num || !den)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a rate", text),
                "give hertz, such as 48000, or a fraction, such as 24000/1024");
  return Rate::Make(static_cast<std::uint64_t>(*num), static_cast<std::uint64_t>(*den));
}

std::string ToString(Rate rate) {
  return rate.den == 1 ? fmt::format("{}", rate.num) : fmt::format("{}/{}", rate.num, rate.den);
}

Result<Position> ParsePosition(std::string_view text) {
  Position position;
  auto fail = [&](std::string_view why) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a time: {}", text, why),
                std::string(kPositionHint));
  };
  if (text.empty()) return fail("it is empty");
  if (text.starts_with('-')) return fail("it is negative, and time starts at 0");
  if (text.ends_with('f')) {
    const auto frames = ParseDigits(text.substr(0, text.size() - 1));
    if (!frames) return fail(frames.error().what());
    position.is_frame = true;
    position.frame = Frame(*frames);
    return position;
  }
  const auto time = ParseClock(text);
  if (!time) return fail(time.error().what());
  position.time = *time;
  return position;
}

Time InLowestTerms(Time time) {
  if (time.den <= 0) return time;
  const std::int64_t divisor = std::gcd(time.num, time.den);
  return {time.num / divisor, time.den / divisor};
}

bool IsEarlier(Time a, Time b) { return Int128{a.num} * b.den < Int128{b.num} * a.den; }

Result<Time> TimeOfFrame(Frame frame, Rate rate) {
  // In lowest terms before the product is taken: it need not fit.
  const auto den = static_cast<std::int64_t>(rate.num);
  const std::int64_t divisor = std::gcd(frame.value(), den);
  const Int128 num = Int128{frame.value() / divisor} * rate.den;
  if (num > std::numeric_limits<std::int64_t>::max() ||
      num < std::numeric_limits<std::int64_t>::min())
    return Fail(ErrorCode::kInvalidArgument, "the time is too large");
  return InLowestTerms({static_cast<std::int64_t>(num), den / divisor});
}

Result<Frame> FrameOfTime(Time time, Rate rate) { return Position{false, time, {}}.ToFrame(rate); }

Result<Frame> Position::ToFrame(Rate rate) const {
  if (is_frame) return frame;
  const Int128 value =
      FloorDiv(Int128{time.num} * Int128{rate.num}, Int128{time.den} * Int128{rate.den});
  if (value > std::numeric_limits<std::int64_t>::max())
    return Fail(ErrorCode::kInvalidArgument, "the time is too large");
  return Frame(static_cast<std::int64_t>(value));
}

std::string FormatClock(Frame frame, Rate rate) {
  const auto ms = static_cast<std::int64_t>(
      FloorDiv(Int128{frame.value()} * Int128{rate.den} * 1000, Int128{rate.num}));
  const std::int64_t seconds = ms / 1000;
  if (seconds >= 3600)
    return fmt::format("{}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                       ms % 1000);
  return fmt::format("{}:{:02}.{:03}", seconds / 60, seconds % 60, ms % 1000);
}

namespace {

Frame Saturate(Int128 value) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (value > Limits::max()) return Frame(Limits::max());
  if (value < Limits::min()) return Frame(Limits::min());
  return Frame(static_cast<std::int64_t>(value));
}

}  // namespace

Frame FrameAt(Time time, Rate rate) noexcept {
  return time_internal::FrameAt(time.num, 1, time.den, rate);
}

Frame time_internal::FrameAt(std::int64_t count, std::int64_t num, std::int64_t den,
                             Rate rate) noexcept {
  // Below 2^63 x 2^32 x 2^32, and below 2^63 x 2^32.
  const Int128 whole = Int128{count} * Int128{num} * Int128{rate.num};
  return Saturate(FloorDiv(whole, Int128{den} * Int128{rate.den}));
}

namespace {

// frame x to / from as floor and remainder. In steps: the whole product would take 191 bits.
struct Scaled {
  Int128 whole;
  bool rest;
};
Scaled Scale(Frame frame, Rate from, Rate to) {
  const Int128 mul = Int128{to.num} * Int128{from.den};  // each below 2^64
  const Int128 div = Int128{to.den} * Int128{from.num};
  const Int128 quotient = FloorDiv(mul, div);
  const Int128 left = mul - quotient * div;  // below 2^64
  // Both products are of a 63-bit number and one below 2^64.
  const Int128 fraction = FloorDiv(Int128{frame.value()} * left, div);
  return {Int128{frame.value()} * quotient + fraction,
          fraction * div != Int128{frame.value()} * left};
}

}  // namespace

Frame ToRate(Frame frame, Rate from, Rate to) { return Saturate(Scale(frame, from, to).whole); }

Frame ToRateUp(Frame frame, Rate from, Rate to) {
  const Scaled scaled = Scale(frame, from, to);
  return Saturate(scaled.whole + (scaled.rest ? 1 : 0));
}

std::uint64_t PageOfFrame(Frame frame, Rate rate, std::uint32_t page_seconds) {
  return static_cast<std::uint64_t>(
      FloorDiv(Int128{frame.value()} * Int128{rate.den}, Int128{rate.num} * Int128{page_seconds}));
}

Frame FirstFrameOfPage(std::uint64_t page, Rate rate, std::uint32_t page_seconds) {
  return Frame(static_cast<std::int64_t>(
      CeilDiv(Int128{page} * Int128{page_seconds} * Int128{rate.num}, Int128{rate.den})));
}

std::uint64_t MaxFramesPerPage(Rate rate, std::uint32_t page_seconds) {
  return static_cast<std::uint64_t>(
      CeilDiv(Int128{page_seconds} * Int128{rate.num}, Int128{rate.den}));
}

}  // namespace canvas
