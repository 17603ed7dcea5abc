#include "canvas/midi/chase.h"

#include <algorithm>
#include <limits>

namespace canvas::midi {
namespace {

// What Reset All Controllers leaves alone (RP-015).
bool OutlivesReset(std::size_t number) {
  return number == 0 || number == 32 || number == 7 || number == 39 || number == 10 ||
         number == 42 || (number >= 70 && number <= 79) || (number >= 91 && number <= 95) ||
         number == 122;
}

void EndNotes(ChaseState::Channel& channel) {
  channel.sounding.fill(0);
  channel.velocity.fill(0);
}

void ResetControllers(ChaseState::Channel& channel) {
  for (std::size_t n = 0; n < 128; ++n)
    if (!OutlivesReset(n)) channel.controllers[n] = ChaseState::kUnset;
  channel.msb_last &= 1U << 7 | 1U << 10;
  // No parameter is chosen.
  for (std::size_t n = 98; n <= 101; ++n) channel.controllers[n] = 0x7F;
  channel.registered = true;
  channel.bend = ChaseState::kUnsetBend;
  channel.pressure = ChaseState::kUnset;
  channel.key_pressure.fill(ChaseState::kUnset);
  channel.was_reset = true;
}

}  // namespace

ChaseState::Channel::Channel() {
  controllers.fill(kUnset);
  key_pressure.fill(kUnset);
}

ChaseState::Parameter* ChaseState::Chosen(Channel& channel) {
  const std::uint8_t msb = channel.controllers[channel.registered ? 101 : 99];
  const std::uint8_t lsb = channel.controllers[channel.registered ? 100 : 98];
  if (msb == kUnset || lsb == kUnset || (msb == 0x7F && lsb == 0x7F)) return nullptr;
  for (std::size_t i = 0; i < channel.parameter_count; ++i) {
    Parameter& one = channel.parameters[i];
    if (one.registered == channel.registered && one.number_msb == msb && one.number_lsb == lsb)
      return &one;
  }
  if (channel.parameter_count == kParameters) {
    std::move(channel.parameters.begin() + 1, channel.parameters.end(), channel.parameters.begin());
    --channel.parameter_count;
    ++forgotten_;
  }
  Parameter& made = channel.parameters[channel.parameter_count++];
  made = {.registered = channel.registered, .number_msb = msb, .number_lsb = lsb};
  return &made;
}

void ChaseState::Control(Channel& channel, std::uint8_t number, std::uint8_t value) {
  switch (number) {
    case 6:
    case 38:
      if (Parameter* parameter = Chosen(channel); parameter != nullptr) {
        (number == 6 ? parameter->msb : parameter->lsb) = value;
        parameter->msb_last = number == 6 && parameter->lsb != kUnset;
        parameter->steps = 0;
      }
      return;
    case 96:
    case 97:
      if (Parameter* parameter = Chosen(channel); parameter != nullptr) {
        constexpr int kMost = 0x3FFF;
        const int steps = parameter->steps + (number == 96 ? 1 : -1);
        parameter->steps = static_cast<std::int16_t>(std::clamp(steps, -kMost, kMost));
        // Back where it was, and nothing else is known of it.
        if (steps == 0 && parameter->msb == kUnset && parameter->lsb == kUnset) {
          std::move(parameter + 1, channel.parameters.data() + channel.parameter_count, parameter);
          channel.parameters[--channel.parameter_count] = {};
        }
      }
      return;
    case 98:
    case 99:
    case 100:
    case 101:
      channel.controllers[number] = value;
      channel.registered = number >= 100;
      return;
    case 121:
      ResetControllers(channel);
      return;
    case 124:
    case 125:
      channel.omni = number;
      EndNotes(channel);
      return;
    case 126:
    case 127:
      channel.poly = number;
      channel.mono_channels = number == 126 ? value : std::uint8_t{0};
      EndNotes(channel);
      return;
    case 120:
    case 123:
      EndNotes(channel);
      return;
    default:
      break;
  }
  channel.controllers[number] = value;
  if (number >= 64 || number == 0 || number == 32) return;
  const std::uint32_t bit = 1U << (number & 31U);
  if (number < 32 && channel.controllers[number + 32U] != kUnset)
    channel.msb_last |= bit;
  else
    channel.msb_last &= ~bit;
}

bool ChaseState::Apply(Bytes message) {
  if (message.empty() || !IsChannelStatus(message[0]) ||
      message.size() != 1 + ChannelDataBytes(message[0]) ||
      std::ranges::any_of(message.subspan(1), [](std::uint8_t byte) { return byte >= 0x80; }))
    return false;
  Channel& channel = channels_[message[0] & 15U];
  const std::uint8_t first = message[1];
  const std::uint8_t second = message.size() > 2 ? message[2] : std::uint8_t{0};
  switch (message[0] >> 4) {
    case 0x9:
      if (second != 0) {
        if (channel.sounding[first] < 255) ++channel.sounding[first];
        channel.velocity[first] = second;
        break;
      }
      [[fallthrough]];
    case 0x8:
      if (channel.sounding[first] > 0) --channel.sounding[first];
      if (channel.sounding[first] == 0) channel.velocity[first] = 0;
      break;
    case 0xA:
      channel.key_pressure[first] = second;
      break;
    case 0xB:
      Control(channel, first, second);
      break;
    case 0xC:
      channel.program = first;
      channel.program_bank_msb = channel.controllers[0];
      channel.program_bank_lsb = channel.controllers[32];
      break;
    case 0xD:
      channel.pressure = first;
      break;
    default:
      channel.bend = static_cast<std::uint16_t>(first | second << 7);
      break;
  }
  return true;
}

}  // namespace canvas::midi
