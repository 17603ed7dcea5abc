// Runs a case one instruction at a time, and judges the file that each leaves.
#pragma once

#include <cstdint>

#include "stress/step/cases.h"
#include "stress/step/subject.h"

namespace canvas::stress {

struct Totals {
  std::uint64_t points = 0;
  std::uint64_t files = 0;
  bool spaced = true;  // each with the space that was reserved
};

// Steps one case; judges every file.
void StepThrough(const Bench& bench, const Case& test, Totals& totals);

}  // namespace canvas::stress
