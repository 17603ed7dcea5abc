// What an owner is stepped through.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "canvas/api/canvas.h"
#include "stress/step/subject.h"

namespace canvas::stress {

struct Case {
  const char* name;
  std::function<void(Canvas&, FrameWriter*)> act;  // stepped
  bool owns;                                       // whether the lane is owned before
  std::size_t contents;                            // how many different ones readers may see
  bool grows = false;                              // whether the file does
  bool longer = false;                             // of large blocks with --all alone
};

std::vector<Case> Cases(const Bench& bench);

}  // namespace canvas::stress
