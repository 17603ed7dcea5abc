#include "bench/latency/machine.h"

#include <fmt/format.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "canvas/sync/shared_copy.h"

namespace bench {

std::string FirstLine(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line))
    if (line.starts_with(key)) {
      const auto at = line.find(':');
      return at == std::string::npos ? line : line.substr(line.find_first_not_of(" \t", at + 1));
    }
  return "?";
}

std::string Machine(const std::string& directory) {
  utsname kernel{};
  uname(&kernel);
  struct statfs fs {};
  statfs(directory.c_str(), &fs);
  const char* type = fs.f_type == 0xEF53       ? "ext4"
                     : fs.f_type == 0x58465342 ? "xfs"
                     : fs.f_type == 0x01021994 ? "tmpfs"
                                               : "other file system";
  const auto cache = [](int level) {
    std::ifstream in(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", level));
    std::string size;
    return std::getline(in, size) ? size : std::string("?");
  };
  return fmt::format("{}, {} processors, L2 {}, L3 {} (shared), Linux {}, {}; {}, copies by {}",
                     FirstLine("/proc/cpuinfo", "model name"), sysconf(_SC_NPROCESSORS_ONLN),
                     cache(2), cache(3), kernel.release, type,
#if defined(__clang__)
                     "clang " __clang_version__
#else
                     "g++ " __VERSION__
#endif
                     ,
                     canvas::sync::CopyKind());
}

}  // namespace bench
