// What a caller can be told: Error, a small value that names what is wrong, where, and what to do,
// and Result<T>, which is either a T or an Error. Nothing in Canvas throws across its public API.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <expected>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace canvas {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // the caller's own value is out of range
  kNotFound,         // no such file, lane, page
  kExists,           // there is one already
  kNotACanvas,       // the file is something else
  kUnsupported,      // a canvas, or a file system, that this version cannot serve
  kCorrupt,          // the file contradicts itself
  kOwned,            // another writer holds what was asked for
  kBusy,             // in use just now; trying again may help
  kNoSpace,          // the disk is full, or a quota or a limit on file size is reached
  kLimit,            // a table or a place of the canvas is full
  kPermission,       // the system does not allow it
  kReadOnly,         // the handle or the file system does not take writes
  kClosed,           // the handle was closed, or belongs to the parent of a forked process
  kIo,               // the kernel reported an error
  kNoMemory,         // no memory for what the call needs
};

// The code in words a person knows: "not found".
std::string_view ErrorCodeName(ErrorCode code);

class [[nodiscard]] Error {
 public:
  // `what` says what is wrong, `hint` what to do about it; neither ends in a full stop.
  Error(ErrorCode code, std::string what, std::string hint = {})
      : code_(code), what_(std::move(what)), hint_(std::move(hint)) {}

  // From errno, as the system call `call` left it. ENOSPC, EDQUOT and EFBIG become kNoSpace, EACCES
  // and EPERM kPermission, EROFS kReadOnly, ENOENT kNotFound, EEXIST kExists,
  // ENOMEM kNoMemory, all others kIo.
  static Error FromErrno(int errno_value, std::string_view call);

  // kNoMemory; allocates nothing.
  static Error NoMemory() noexcept;

  // The same error, said to be about `path`. Where there is no memory for the path, without it.
  Error About(std::string_view path) && noexcept;

  ErrorCode code() const { return code_; }
  int errno_value() const { return errno_value_; }
  const std::string& path() const { return path_; }
  const std::string& what() const { return what_; }
  const std::string& hint() const { return hint_; }

  // "PATH: what is wrong (what to do)", without the parts that are empty.
  std::string Message() const;

 private:
  ErrorCode code_;
  int errno_value_ = 0;
  std::string path_;
  std::string what_;
  std::string hint_;
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> Fail(ErrorCode code, std::string what, std::string hint = {}) {
  return std::unexpected(Error(code, std::move(what), std::move(hint)));
}

inline std::unexpected<Error> FailErrno(int errno_value, std::string_view call) {
  return std::unexpected(Error::FromErrno(errno_value, call));
}

// What `call` answers. What it throws is an error value: of no memory, or, for what a library of
// the system may throw besides, kIo. So that no exception crosses the public API.
template <typename Call>
auto NoThrow(Call call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error::NoMemory());
  } catch (const std::length_error&) {  // more than any memory holds
    return std::unexpected(Error::NoMemory());
  } catch (...) {
    return std::unexpected(
        Error(ErrorCode::kIo, "system error"));  // short enough to need no memory
  }
}

}  // namespace canvas

#define CANVAS_CONCAT_INNER(a, b) a##b
#define CANVAS_CONCAT(a, b) CANVAS_CONCAT_INNER(a, b)

// Returns the error of `expression` from the enclosing function, if it has one.
#define CANVAS_TRY(expression)                                         \
  do {                                                                 \
    if (auto canvas_result = (expression); !canvas_result.has_value()) \
      return std::unexpected(std::move(canvas_result).error());        \
  } while (false)

// Declares `declaration` from the value of `expression`, or returns its error.
#define CANVAS_ASSIGN(declaration, expression) \
  CANVAS_ASSIGN_INNER(CANVAS_CONCAT(canvas_result_, __LINE__), declaration, expression)
#define CANVAS_ASSIGN_INNER(result, declaration, expression)                    \
  auto result = (expression);                                                   \
  if (!(result).has_value()) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
