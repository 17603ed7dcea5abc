#include "tools/cli/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "canvas/api/canvas.h"
#include "tools/cli/signals.h"

namespace canvas::cli {

std::unexpected<Error> Refuse(const std::string& path, std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what), std::move(hint)).About(path));
}

namespace {

std::unexpected<Error> RefuseCanvas(const std::string& path) {
  return Refuse(path, "there is a canvas of this name, and an export never replaces one",
                "choose another path");
}

// A file without a name in the directory, or, where the file system has none such, with one.
Result<Descriptor> MakeFile(const std::string& path, const std::string& directory,
                            std::string& named) {
  Descriptor fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return std::unexpected(Error::FromErrno(errno, "creating the file").About(path));
  named = directory + "/.canvas-export-XXXXXX";
  const SignalHold hold;
  fd = Descriptor(mkostemp(named.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(Error::FromErrno(errno, "creating the file").About(path));
  RemoveAtSignal(named);
  return fd;
}

// Through a link, to what it points at.
std::string TargetOf(const std::string& path) {
  std::error_code missing;
  const std::filesystem::path real = std::filesystem::canonical(path, missing);
  if (!missing) return real.string();
  // One that points at nothing yet.
  if (std::filesystem::is_symlink(path, missing))
    return (std::filesystem::path(path).parent_path() /
            std::filesystem::read_symlink(path, missing))
        .string();
  return path;
}

// Where a file that goes to standard output lies meanwhile.
std::string TemporaryDirectory() {
  const char* set = std::getenv("TMPDIR");
  return set != nullptr && *set != '\0' ? set : "/tmp";
}

// Whether what is there may be replaced.
Result<void> CheckOld(const std::string& path, const std::string& target, const struct stat& old,
                      bool replace) {
  if (!S_ISREG(old.st_mode))
    return Refuse(path, "not a regular file", "give the path of a file to write, or - for a pipe");
  if (LooksLikeCanvas(target)) return RefuseCanvas(path);
  if (!replace)
    return std::unexpected(Error(ErrorCode::kExists, "it exists already",
                                 "choose another path, or give --force to replace it")
                               .About(path));
  if (access(target.c_str(), W_OK) != 0)
    return std::unexpected(Error::FromErrno(errno, "writing").About(path));
  return {};
}

// In the mode of what is there, or as the umask says. At worst it stays private.
void GiveMode(int fd, const struct stat* old) {
  const mode_t mask = umask(0);
  umask(mask);
  mode_t mode = 0666 & ~mask;
  if (old != nullptr) {
    // The one who has it keeps it, where that is permitted; and nobody gets a right whom it was not
    // given.
    mode = old->st_mode & 0777;
    if (fchown(fd, old->st_uid, old->st_gid) != 0 &&
        fchown(fd, static_cast<uid_t>(-1), old->st_gid) != 0)
      mode = (mode & 0707) | (mode & (mode << 3) & 0070);
  }
  (void)!fchmod(fd, mode);
}

void SyncFolder(const std::string& of) {
  const std::string folder = std::filesystem::path(of).parent_path().string();
  const Descriptor fd(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) fsync(fd.get());
}

}  // namespace

Result<NewFile> NewFile::Make(const std::string& path, bool replace) {
  NewFile file;
  file.path_ = path;
  file.replace_ = replace;
  if (path == "-") {
    CANVAS_ASSIGN(file.fd_, MakeFile(path, TemporaryDirectory(), file.named_));
    GiveMode(file.fd(), nullptr);
    return file;
  }
  file.target_ = TargetOf(path);
  struct stat old {};
  const bool exists = stat(file.target_.c_str(), &old) == 0;
  if (exists) CANVAS_TRY(CheckOld(path, file.target_, old, replace));
  const std::string directory = std::filesystem::path(file.target_).parent_path().string();
  CANVAS_ASSIGN(file.fd_, MakeFile(path, directory.empty() ? "." : directory, file.named_));
  GiveMode(file.fd(), exists ? &old : nullptr);
  return file;
}

NewFile::~NewFile() {
  if (named_.empty()) return;
  unlink(named_.c_str());
  RemoveAtSignal("");
}

Result<void> NewFile::Finish() { return path_ == "-" ? HandOver() : Name(); }

bool NewFile::LinkTo(const std::string& name) const {
  const std::string source = named_.empty() ? fmt::format("/proc/self/fd/{}", fd_.get()) : named_;
  return linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

// Gives it a name beside the one it is to have; errno says why not.
bool NewFile::NameBetween() {
  const std::filesystem::path folder = std::filesystem::path(target_).parent_path();
  for (int i = 0; i < 100; ++i) {
    const std::string between =
        (folder / fmt::format(".canvas-export-{}-{}", getpid(), i)).string();
    if (LinkTo(between)) {
      named_ = between;
      return true;
    }
    // One that exists was left by a process that was killed: it may be what that replaced.
    if (errno != EEXIST) return false;
  }
  return false;
}

// Under a name that is free; over another file only where that was asked for.
Result<void> NewFile::Name() {
  const auto failed = [&](int failure) {
    return std::unexpected(Error::FromErrno(failure, "writing").About(path_));
  };
  // What is there may go, and come again, meanwhile.
  for (int tries = 0; tries < 10; ++tries) {
    if (LinkTo(target_)) return {};
    // A file system without links.
    if (errno != EEXIST && !named_.empty() &&
        renameat2(AT_FDCWD, named_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0)
      return {};
    if (errno != EEXIST) return failed(errno);
    if (!replace_)
      return std::unexpected(Error(ErrorCode::kExists, "somebody else has made it meanwhile",
                                   "choose another path, or give --force to replace it")
                                 .About(path_));
    // After a crash there is the old file or the new one, whole.
    if (fsync(fd_.get()) != 0) return failed(errno);
    // A name for a moment, at which no signal ends the process.
    const SignalHold hold;
    RemoveAtSignal("");
    if (named_.empty() && !NameBetween()) return failed(errno);
    CANVAS_ASSIGN(const bool done, Replace());
    if (done) return {};
    RemoveAtSignal(named_);
  }
  return failed(EBUSY);
}

// Puts the file that is called `named_` in the place of another, which is looked at when it is out
// of that place: by then nobody can make a canvas of that name any more, and a canvas is put back.
// While it is looked at, it is not to be found under its name. False: nothing was there.
Result<bool> NewFile::Replace() {
  const auto exchange = [&] {
    return renameat2(AT_FDCWD, named_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0;
  };
  if (LooksLikeCanvas(target_)) return RefuseCanvas(path_);
  if (!exchange()) {
    if (errno == ENOENT) return false;
    // A file system that cannot exchange: there a moment remains between the look and this.
    if (errno != EINVAL || rename(named_.c_str(), target_.c_str()) != 0)
      return std::unexpected(Error::FromErrno(errno, "writing").About(path_));
    named_.clear();
    SyncFolder(target_);
    return true;
  }
  struct stat old {};
  const bool is_file = lstat(named_.c_str(), &old) == 0 && S_ISREG(old.st_mode);
  if (is_file && !LooksLikeCanvas(named_)) {
    other_names_ = old.st_nlink - 1;
    unlink(named_.c_str());
    named_.clear();
    SyncFolder(target_);
    return true;
  }
  struct stat ours {};
  struct stat back {};
  if (exchange() && fstat(fd_.get(), &ours) == 0 && lstat(named_.c_str(), &back) == 0 &&
      ours.st_dev == back.st_dev && ours.st_ino == back.st_ino)
    return RefuseCanvas(path_);
  // Someone else is at work on these names too: nothing of theirs is removed.
  const std::string kept = std::exchange(named_, {});
  return Refuse(path_,
                fmt::format("it was replaced by somebody else meanwhile, and lies in {}", kept),
                "look at both, and move it back");
}

Result<void> NewFile::HandOver() {
  std::vector<char> piece(1 << 20);
  for (off_t at = 0;;) {
    const ssize_t got = pread(fd_.get(), piece.data(), piece.size(), at);
    if (got < 0) return FailErrno(errno, "reading what was to be written");
    if (got == 0) return {};
    for (ssize_t done = 0; done < got;) {
      const ssize_t put =
          write(STDOUT_FILENO, piece.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return FailErrno(errno, "writing to standard output");
      done += put;
    }
    at += got;
  }
}

}  // namespace canvas::cli
