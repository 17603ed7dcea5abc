// What another process does beside.
#pragma once

#include <sys/types.h>

#include "bench/latency/material.h"

namespace bench {

// A process that writes beside the lanes that are read, when it is told to.
class Beside {
 public:
  explicit Beside(const Material& material);
  ~Beside();
  // 0 nothing, 1 append, 2 overwrite. Returns when it is at it.
  void Do(int what);

 private:
  struct Shared;
  void Work(const Material& material);

  Shared* shared_;
  pid_t pid_ = -1;
};

}  // namespace bench
