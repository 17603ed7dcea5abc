// Real kills of an owner, at one instruction after the other.
#pragma once

#include <cstdint>
#include <vector>

#include "stress/step/stepped.h"
#include "stress/step/subject.h"

namespace canvas::stress {

// Overwrites of one block, killed at every instruction, or at `most` of them.
void KillThrough(const char* name, const Bench& bench, std::uint64_t most, Totals& totals);

// The takeover itself: a child is killed in the midst of an overwrite, and the repair is stepped.
void StepRepair(const Bench& bench, const std::vector<std::uint64_t>& tenths, Totals& totals);

}  // namespace canvas::stress
