// What the codecs share: messages read from bytes that nobody vouches for, and kj's exceptions kept
// in. Included by codecs alone.
//
// Thread safety: pure functions; a message belongs to one thread.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "canvas/base/error.h"

namespace canvas::metadata {

// A message of our own, aligned as its reader asks.
template <typename Root>
class Message {
 public:
  explicit Message(std::span<const std::byte> message)
      : words_(kj::heapArray<capnp::word>(message.size() / sizeof(capnp::word))),
        reader_(Copied(message), Options(words_.size())) {}
  typename Root::Reader root() { return reader_.template getRoot<Root>(); }

 private:
  kj::ArrayPtr<const capnp::word> Copied(std::span<const std::byte> message) {
    if (!message.empty()) std::memcpy(words_.asBytes().begin(), message.data(), message.size());
    return words_;
  }
  static capnp::ReaderOptions Options(std::size_t words) {
    capnp::ReaderOptions options;
    // Each byte is visited once, or twice; pointers that make it more are an attack.
    options.traversalLimitInWords = words * 2 + 1024;
    options.nestingLimit = 32;
    return options;
  }
  kj::Array<capnp::word> words_;
  capnp::FlatArrayMessageReader reader_;
};

// `what` is "header".
inline std::unexpected<Error> Unreadable(const char* what, const char* why) {
  return Fail(ErrorCode::kCorrupt, std::string(what) + ": not a readable message: " + why);
}

inline Result<void> CheckWords(const char* what, std::span<const std::byte> message) {
  if (message.size() % sizeof(capnp::word) == 0) return {};
  return Unreadable(what, "its length is no number of words");
}

// What `call` answers; what kj throws, as an error.
template <typename Call>
auto NoKjException(const char* what, ErrorCode code, Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const kj::Exception& exception) {
    if (exception.getType() == kj::Exception::Type::OVERLOADED)
      return std::unexpected(Error::NoMemory());
    return Fail(code, std::string(what) + ": " + exception.getDescription().cStr());
  }
}

// One flat array, without what was replaced in it.
template <typename Root>
std::vector<std::byte> Flatten(typename Root::Reader root) {
  capnp::MallocMessageBuilder message;
  message.setRoot(root);
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  std::vector<std::byte> flat(bytes.size());
  std::memcpy(flat.data(), bytes.begin(), bytes.size());
  return flat;
}

}  // namespace canvas::metadata
