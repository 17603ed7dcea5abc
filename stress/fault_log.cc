#include "stress/fault_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

namespace canvas::stress {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kRingBytes = 64 * kPage;  // a power of two of pages, behind the head's own

struct Mapped {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t offset;
  std::string permissions;
  std::string path;  // empty: anonymous
};

std::vector<Mapped> Mappings() {
  std::vector<Mapped> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Mapped each;
    char dash = 0;
    std::string device;
    std::string inode;
    fields >> std::hex >> each.start >> dash >> each.end >> each.permissions >> each.offset >>
        device >> inode >> std::ws;
    std::getline(fields, each.path);
    all.push_back(std::move(each));
  }
  return all;
}

bool OfAFile(const Mapped& mapping) { return mapping.path.starts_with('/'); }

}  // namespace

FaultLog::FaultLog() {
  perf_event_attr what{};
  what.size = sizeof what;
  what.type = PERF_TYPE_SOFTWARE;
  what.config = PERF_COUNT_SW_PAGE_FAULTS;
  what.sample_period = 1;
  what.sample_type = PERF_SAMPLE_ADDR;
  what.disabled = 1;
  what.exclude_kernel = 1;  // who may not look at the kernel may look at itself
  what.exclude_hv = 1;
  fd_ = static_cast<int>(syscall(SYS_perf_event_open, &what, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd_ < 0) return;
  ring_ = mmap(nullptr, kPage + kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (ring_ == MAP_FAILED) ring_ = nullptr;
}

FaultLog::~FaultLog() {
  if (ring_ != nullptr) munmap(ring_, kPage + kRingBytes);
  if (fd_ >= 0) close(fd_);
}

void FaultLog::Start() const {
  if (ring_ != nullptr) ioctl(fd_, PERF_EVENT_IOC_ENABLE, 0);
}

void FaultLog::Stop() const {
  if (ring_ != nullptr) ioctl(fd_, PERF_EVENT_IOC_DISABLE, 0);
}

std::vector<std::uint64_t> FaultLog::Addresses() const {
  std::vector<std::uint64_t> found;
  if (ring_ == nullptr) return found;
  auto* head = static_cast<perf_event_mmap_page*>(ring_);
  const std::uint64_t end = std::atomic_ref(head->data_head).load(std::memory_order_acquire);
  const auto* data = static_cast<const char*>(ring_) + kPage;
  // Nothing is ever taken out, so the kernel stops at a full ring, and records begin at 0.
  for (std::uint64_t at = 0; at + sizeof(perf_event_header) <= end;) {
    perf_event_header record;
    std::memcpy(&record, data + at % kRingBytes, sizeof record);
    if (record.size == 0) break;
    if (record.type == PERF_RECORD_SAMPLE) {
      std::uint64_t address = 0;
      std::memcpy(&address, data + (at + sizeof record) % kRingBytes, sizeof address);
      found.push_back(address);
    }
    at += record.size;
  }
  return found;
}

std::string FaultLog::ToString() const {
  if (ring_ == nullptr) return "the kernel does not say where";
  const auto mappings = Mappings();
  const auto addresses = Addresses();
  std::string text = fmt::format("{} faults", addresses.size());
  constexpr std::size_t kMost = 8;
  for (std::size_t i = 0; i < std::min(kMost, addresses.size()); ++i) {
    const auto in = std::ranges::find_if(mappings, [&](const Mapped& mapping) {
      return addresses[i] >= mapping.start && addresses[i] < mapping.end;
    });
    text += fmt::format("{} {:#x}", i == 0 ? ":" : ",", addresses[i]);
    if (in == mappings.end())
      text += " in no mapping";
    else if (in->path.empty())
      text += " in anonymous memory";
    else
      text += fmt::format(" in {} at {:#x}", in->path, addresses[i] - in->start + in->offset);
  }
  return text + (addresses.size() > kMost ? ", ..." : "");
}

void LockProgram() {
  if (mlockall(MCL_CURRENT) == 0) return;
  for (const Mapped& mapping : Mappings())
    if (OfAFile(mapping) && mapping.permissions[0] == 'r')
      madvise(reinterpret_cast<void*>(mapping.start), mapping.end - mapping.start,
              MADV_POPULATE_READ);
}

void WarmProgram() {
  std::set<std::string> files;
  for (const Mapped& mapping : Mappings())
    if (OfAFile(mapping)) files.insert(mapping.path);
  std::vector<char> piece(1 << 20);
  for (const std::string& file : files) {
    std::ifstream in(file, std::ios::binary);
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
    }
  }
}

std::uint64_t MovedPages() {
  std::ifstream counters("/proc/vmstat");
  std::string name;
  std::uint64_t value = 0;
  while (counters >> name >> value)
    if (name == "pgmigrate_success") return value;
  return 0;
}

}  // namespace canvas::stress
