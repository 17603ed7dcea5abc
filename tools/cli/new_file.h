// A file to be written. It has no name while it is written, and gets one when it is complete:
// whatever ends the process leaves nothing behind.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "canvas/base/error.h"
#include "tools/cli/descriptor.h"

namespace canvas::cli {

// An error about a file. kInvalidArgument.
std::unexpected<Error> Refuse(const std::string& path, std::string what, std::string hint);

class NewFile {
 public:
  // `path` "-" is standard output. With `replace`, a file that is there is replaced, through a
  // symbolic link; a canvas never. The new file has its mode (but not set-user-ID and
  // set-group-ID), and its owner where that is permitted.
  // Errors: kExists, kInvalidArgument, kNotFound, kPermission, kNoSpace.
  static Result<NewFile> Make(const std::string& path, bool replace);
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  // Gives it its name, or hands it to standard output.
  Result<void> Finish();
  // How many other names the file has that was replaced: under them it is as it was. After Finish.
  std::uint64_t other_names() const { return other_names_; }

 private:
  NewFile() = default;
  bool LinkTo(const std::string& name) const;
  bool NameBetween();
  Result<void> Name();
  Result<bool> Replace();
  Result<void> HandOver();

  std::string path_;    // as it was given
  std::string target_;  // through links
  bool replace_ = false;
  // A name that it has meanwhile: where there are no files without, or to exchange.
  std::string named_;
  std::uint64_t other_names_ = 0;
  Descriptor fd_;
};

}  // namespace canvas::cli
