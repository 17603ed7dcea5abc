#include "stress/step/space.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace canvas::stress {

bool Reserved::Ask(int fd) {
  auto* head = reinterpret_cast<fiemap*>(buffer_);
  std::memset(head, 0, sizeof *head);
  head->fm_length = FIEMAP_MAX_OFFSET;
  head->fm_extent_count = kMost;
  if (syscall(SYS_ioctl, fd, FS_IOC_FIEMAP, head) != 0) return false;
  count_ = 0;
  for (std::uint32_t i = 0; i < head->fm_mapped_extents; ++i) {
    const fiemap_extent& extent = head->fm_extents[i];
    Span& last = spans_[count_ == 0 ? 0 : count_ - 1];
    if (count_ != 0 && last.offset + last.bytes == extent.fe_logical)
      last.bytes += extent.fe_length;
    else
      spans_[count_++] = {extent.fe_logical, extent.fe_length};
  }
  return head->fm_mapped_extents < kMost;
}

}  // namespace canvas::stress
