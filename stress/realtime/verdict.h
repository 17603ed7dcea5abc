// What a guarded reader's counts come to.
#pragma once

#include <cstdint>

#include "canvas/api/canvas.h"
#include "canvas/testing/realtime_guard.h"
#include "stress/fault_log.h"

namespace canvas::stress {

// Whether as much may be locked as the windows here take. Asked before anything is.
bool MayLock();

// What the guard counted, against the promise: nothing at all.
void Judge(const testing::RealtimeGuard& guard, const FaultLog& log, std::uint64_t moved,
           const WindowReport& window, bool may_lock);

}  // namespace canvas::stress
