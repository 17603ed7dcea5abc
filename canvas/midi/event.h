// What a track or a lane holds: events, each a tick and the bytes of one message.
//
// The first byte says what the rest is:
//   8n..En  a channel message, whole: status and one or two data bytes
//   F0      a SysEx packet: F0 and its data, with the F7 that ends it if it does
//   F7      a further packet of a SysEx, or an escape: F7 and the bytes to send
//   FF      a meta event: FF, its type, its data
//   F1..F6, F8..FE  system common and real time: status and 0 to 2 data bytes
// The length of a packet and of a meta event is the event's own and not among its bytes.
//
// Source: MIDI 1.0 Detailed Specification 4.2; Standard MIDI Files 1.0 (RP-001).
// Thread safety: plain values and pure functions. All of it is fit for a realtime thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace canvas::midi {

using Bytes = std::span<const std::uint8_t>;

struct Event {
  std::int64_t tick = 0;  // from the start of the track
  Bytes bytes;            // of someone else
};

// Of meta events.
inline constexpr std::uint8_t kMetaText = 0x01;
inline constexpr std::uint8_t kMetaTrackName = 0x03;
inline constexpr std::uint8_t kMetaLyric = 0x05;
inline constexpr std::uint8_t kMetaMarker = 0x06;
inline constexpr std::uint8_t kMetaCuePoint = 0x07;
inline constexpr std::uint8_t kMetaEndOfTrack = 0x2F;
inline constexpr std::uint8_t kMetaTempo = 0x51;
inline constexpr std::uint8_t kMetaMeter = 0x58;
inline constexpr std::uint8_t kMetaKey = 0x59;
inline constexpr std::uint8_t kMetaSequencer = 0x7F;

constexpr bool IsChannelStatus(std::uint8_t status) { return status >= 0x80 && status < 0xF0; }

// Data bytes of a channel message.
constexpr std::size_t ChannelDataBytes(std::uint8_t status) {
  return (status & 0xE0U) == 0xC0U ? 1 : 2;
}

// Data bytes of F1 to F6 and F8 to FE; those that MIDI does not define have none.
constexpr std::size_t SystemDataBytes(std::uint8_t status) {
  if (status == 0xF2) return 2;
  return status == 0xF1 || status == 0xF3 ? 1 : 0;
}

constexpr bool IsMeta(Bytes event, std::uint8_t type) {
  return event.size() >= 2 && event[0] == 0xFF && event[1] == type;
}
constexpr bool IsEndOfTrack(Bytes event) { return IsMeta(event, kMetaEndOfTrack); }

}  // namespace canvas::midi
