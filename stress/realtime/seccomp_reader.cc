#include "stress/realtime/seccomp_reader.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

#include "canvas/api/canvas.h"
#include "canvas/testing/testing.h"
#include "stress/realtime/material.h"

namespace canvas::stress {

void ReadUnderSeccomp(const std::string& path, std::int64_t reads, bool plant) {
  Material material(path, kLanes);
  constexpr std::int64_t kMiddle = kPage;
  testing::Must(material.window->MoveTo({Frame(kMiddle - kRate / 4), Frame(kMiddle + kRate / 4)}));
  std::vector<float> block(2 * kFrames);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(77);
  int code = 0;
  for (std::int64_t i = 0; i < reads; ++i) {
    const auto lane = static_cast<std::uint32_t>(i % kLanes);
    const std::int64_t at = kMiddle - kRate / 4 + i * 37 % (kRate / 2 - 256);
    const auto got = material.readers[lane].Read(Frame(at), block);
    if (got.status == ReadStatus::kOk && !Right(block.data(), lane, at)) code = 2;
    if (got.status != ReadStatus::kOk && got.status != ReadStatus::kRaced) code = 3;
    const View view = material.readers[lane].ViewAt(Frame(at), kFrames);
    if (view.frames() == 0 && view.status() != ReadStatus::kRaced) code = 4;
  }
  if (plant) syscall(SYS_getpid);
  _exit(code);
}

}  // namespace canvas::stress
