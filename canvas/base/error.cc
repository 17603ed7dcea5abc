#include "canvas/base/error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace canvas {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kExists:
      return "exists";
    case ErrorCode::kNotACanvas:
      return "not a canvas";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kOwned:
      return "owned";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kNoSpace:
      return "no space";
    case ErrorCode::kLimit:
      return "limit reached";
    case ErrorCode::kPermission:
      return "permission denied";
    case ErrorCode::kReadOnly:
      return "read-only";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kIo:
      return "input/output error";
    case ErrorCode::kNoMemory:
      return "no memory";
  }
  return "unknown error";
}

Error Error::FromErrno(int errno_value, std::string_view call) {
  auto code = ErrorCode::kIo;
  std::string hint;
  std::string what = std::strerror(errno_value);
  what[0] = static_cast<char>(what[0] >= 'A' && what[0] <= 'Z' ? what[0] - 'A' + 'a' : what[0]);
  switch (errno_value) {
    case ENOTDIR:
      code = ErrorCode::kNotFound;
      hint = "a part of the path is a file, not a directory";
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kNoSpace;
      hint = "free some space, or give back pages with `canvas rm`";
      break;
    case EFBIG:
      code = ErrorCode::kNoSpace;
      hint =
          "the file system, or a limit on file size (ulimit -f), allows no larger file; choose "
          "fewer hours or slots";
      break;
    case EACCES:
    case EPERM:
      code = ErrorCode::kPermission;
      hint = "check the permissions of the file and its directory";
      break;
    case EROFS:
      code = ErrorCode::kReadOnly;
      hint = "the file system is mounted read-only";
      break;
    case ENOENT:
      code = ErrorCode::kNotFound;
      hint = "check the path";
      break;
    case EEXIST:
      code = ErrorCode::kExists;
      break;
    case EMFILE:
    case ENFILE:
      hint = "too many open files; raise ulimit -n";
      break;
    case ENOMEM:
      code = ErrorCode::kNoMemory;
      if (call == "mmap") {
        what = "no address space for the mapping";
        hint = "open it with a smaller mapping limit, or raise ulimit -v";
      }
      break;
    default:
      break;
  }
  // Where the kernel's words do not say what was tried, the call does.
  if (code == ErrorCode::kIo) what += ", in " + std::string(call);
  Error error(code, std::move(what), std::move(hint));
  error.errno_value_ = errno_value;
  return error;
}

// Short enough to lie within the strings themselves.
Error Error::NoMemory() noexcept { return {ErrorCode::kNoMemory, "out of memory"}; }

Error Error::About(std::string_view path) && noexcept {
  try {
    if (path_.empty()) path_ = path;
  } catch (const std::bad_alloc&) {
    path_.clear();
  }
  return std::move(*this);
}

std::string Error::Message() const {
  std::string message;
  if (!path_.empty()) message += path_ + ": ";
  message += what_;
  if (!hint_.empty()) message += " (" + hint_ + ")";
  return message;
}

}  // namespace canvas
