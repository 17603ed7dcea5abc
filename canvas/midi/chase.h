// What a synthesizer is set to after some messages, and the messages that set another one to the
// same: for starting in the middle of a song ("chasing").
//
// Followed, for each of 16 channels: program and the bank it was chosen in; controllers 0 to 119
// and Local Control; registered and other parameters (RPN, NRPN) with their data entry; Omni, Mono
// and Poly; pitch bend; channel and key pressure; notes that sound. What no message said stays
// unsaid: nothing is made up.
//
// What is decided
//   - Order counts. A program has the bank that was chosen when it came; one that was chosen after
//     it is sent behind the program. Of a controller of 14 bits the halves are sent in the order in
//     which they came last, for a receiver may clear the lower with the upper.
//   - Reset All Controllers (121) is remembered as such, and sent first; what it resets by RP-015
//     (not bank, volume, pan, sound and effect controllers, parameters) is unsaid after it. It
//     deselects parameters.
//   - Parameters: 32 a channel; of more the one that came first is forgotten, and counted. Data
//     entry without a parameter chosen sets nothing. Increments and decrements are counted since
//     the last data entry, and sent as often.
//   - Notes: a note-off ends one of those of its pitch that sound. All Sound Off, All Notes Off and
//     the four modes end all of their channel. A note that began n times is sent n times, with the
//     last velocity.
//   - SysEx, meta events and system messages set nothing here, GM System On neither.
//
// Sources: MIDI 1.0 Detailed Specification 4.2; RP-015 (Reset All Controllers).
// Thread safety: a plain value.
// Realtime: fixed size (about 15 KiB), no allocation, no wait; Apply looks at 32 parameters at
// most, Reset and ForEachMessage at the whole state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "canvas/midi/event.h"

namespace canvas::midi {

class ChaseState {
 public:
  static constexpr std::uint8_t kUnset = 0xFF;  // no message said it
  static constexpr std::uint16_t kUnsetBend = 0xFFFF;
  static constexpr std::size_t kParameters = 32;

  struct Parameter {
    bool registered = false;  // RPN, or NRPN
    std::uint8_t number_msb = 0;
    std::uint8_t number_lsb = 0;
    std::uint8_t msb = kUnset;
    std::uint8_t lsb = kUnset;
    bool msb_last = false;   // it came after the lsb
    std::int16_t steps = 0;  // increments since, less decrements
    friend bool operator==(const Parameter&, const Parameter&) = default;
  };

  struct Channel {
    Channel();
    std::uint8_t program = kUnset;
    std::uint8_t program_bank_msb = kUnset;  // when the program came
    std::uint8_t program_bank_lsb = kUnset;
    std::uint8_t pressure = kUnset;
    std::uint16_t bend = kUnsetBend;  // 0 to 16,383; 8,192 is the centre
    std::uint8_t omni = kUnset;       // 124 (off) or 125 (on)
    std::uint8_t poly = kUnset;       // 126 (mono) or 127 (poly)
    std::uint8_t mono_channels = 0;   // of 126
    bool was_reset = false;           // by 121
    bool registered = false;          // of the last parameter chosen, by 98 to 101
    std::uint32_t msb_last = 0;       // bit n: controller n came after n + 32
    std::array<std::uint8_t, 128> controllers;
    std::array<std::uint8_t, 128> key_pressure;
    std::array<std::uint8_t, 128> velocity{};  // of the last note-on of a note that sounds
    std::array<std::uint8_t, 128> sounding{};  // how often, up to 255
    std::array<Parameter, kParameters> parameters{};
    std::uint8_t parameter_count = 0;
    friend bool operator==(const Channel&, const Channel&) = default;
  };

  // The state before any message.
  void Reset() { *this = ChaseState(); }

  // One message as an event holds it. Whether it was a whole channel message; others change
  // nothing.
  bool Apply(Bytes message);

  const Channel& channel(std::size_t index) const { return channels_[index]; }
  // Parameters forgotten for want of room.
  std::uint32_t forgotten_parameters() const { return forgotten_; }

  // Calls `emit(Bytes)` with each message that re-creates the state where there was none, in order:
  // of a channel the reset, modes, bank and program, controllers, parameters and what was chosen,
  // bend, pressure; then, unless `notes` is false, notes and the pressure of keys.
  template <typename Emit>
  void ForEachMessage(Emit&& emit, bool notes = true) const {
    for (std::uint8_t i = 0; i < 16; ++i) {
      const auto three = [&](unsigned type, std::uint8_t first, std::uint8_t second) {
        const std::array<std::uint8_t, 3> message = {static_cast<std::uint8_t>(type | i), first,
                                                     second};
        emit(Bytes(message));
      };
      const auto two = [&](unsigned type, std::uint8_t first) {
        const std::array<std::uint8_t, 2> message = {static_cast<std::uint8_t>(type | i), first};
        emit(Bytes(message));
      };
      EmitChannel(channels_[i], three, two, notes);
    }
  }

  // The counter of what was forgotten is no part of it.
  friend bool operator==(const ChaseState& a, const ChaseState& b) {
    return a.channels_ == b.channels_;
  }

 private:
  // Of controllers, which are sent as they are: those that are not something else.
  static constexpr bool IsPlain(std::size_t number) {
    return number != 0 && number != 32 && number != 6 && number != 38 &&
           (number < 96 || number > 101) && (number < 120 || number == 122);
  }

  template <typename Three, typename Two>
  static void EmitChannel(const Channel& c, const Three& three, const Two& two, bool notes) {
    const auto control = [&](std::size_t number, std::uint8_t value) {
      if (value != kUnset) three(0xB0, static_cast<std::uint8_t>(number), value);
    };
    if (c.was_reset) control(121, 0);
    if (c.omni != kUnset) control(c.omni, 0);
    if (c.poly != kUnset) control(c.poly, c.mono_channels);
    if (c.program != kUnset) {
      control(0, c.program_bank_msb);
      control(32, c.program_bank_lsb);
      two(0xC0, c.program);
    }
    if (c.program == kUnset || c.controllers[0] != c.program_bank_msb) control(0, c.controllers[0]);
    if (c.program == kUnset || c.controllers[32] != c.program_bank_lsb)
      control(32, c.controllers[32]);
    for (std::size_t n = 1; n < 32; ++n) {
      if (!IsPlain(n)) continue;
      const bool msb_last = (c.msb_last >> n & 1U) != 0;
      control(msb_last ? n + 32 : n, c.controllers[msb_last ? n + 32 : n]);
      control(msb_last ? n : n + 32, c.controllers[msb_last ? n : n + 32]);
    }
    for (std::size_t n = 64; n < 128; ++n)
      if (IsPlain(n)) control(n, c.controllers[n]);
    for (std::size_t i = 0; i < c.parameter_count; ++i) {
      const Parameter& p = c.parameters[i];
      control(p.registered ? 101 : 99, p.number_msb);
      control(p.registered ? 100 : 98, p.number_lsb);
      control(p.msb_last ? 38 : 6, p.msb_last ? p.lsb : p.msb);
      control(p.msb_last ? 6 : 38, p.msb_last ? p.msb : p.lsb);
      for (int k = 0; k < p.steps; ++k) control(96, 0);
      for (int k = 0; k > p.steps; --k) control(97, 0);
    }
    for (const bool registered : {!c.registered, c.registered}) {
      control(registered ? 101 : 99, c.controllers[registered ? 101 : 99]);
      control(registered ? 100 : 98, c.controllers[registered ? 100 : 98]);
    }
    if (c.bend != kUnsetBend)
      three(0xE0, static_cast<std::uint8_t>(c.bend & 0x7FU),
            static_cast<std::uint8_t>(c.bend >> 7));
    if (c.pressure != kUnset) two(0xD0, c.pressure);
    if (!notes) return;
    for (std::size_t pitch = 0; pitch < 128; ++pitch)
      for (unsigned k = 0; k < c.sounding[pitch]; ++k)
        three(0x90, static_cast<std::uint8_t>(pitch), c.velocity[pitch]);
    for (std::size_t pitch = 0; pitch < 128; ++pitch)
      if (c.key_pressure[pitch] != kUnset)
        three(0xA0, static_cast<std::uint8_t>(pitch), c.key_pressure[pitch]);
  }

  void Control(Channel& channel, std::uint8_t number, std::uint8_t value);
  Parameter* Chosen(Channel& channel);

  std::array<Channel, 16> channels_;
  std::uint32_t forgotten_ = 0;
};

}  // namespace canvas::midi
